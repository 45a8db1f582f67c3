import type { MarketPrice } from '@muster/shared-types';

export interface Bar {
  key: string;
  /** Percent of the highest. */
  height: number;
  kind: 'plain' | 'median' | 'own';
}

/** The histogram as bars; `own` is the one that a price of one's own would fall into. */
export function barsOf({ histogram, median_usd }: Pick<MarketPrice, 'histogram' | 'median_usd'>, own?: number): Bar[] {
  const most = Math.max(1, ...histogram.map(({ nodes }) => nodes));
  const has = ({ from_usd, to_usd }: { from_usd: string; to_usd: string }, value: number, isLast: boolean): boolean => value >= Number(from_usd) && (value < Number(to_usd) || (isLast && value <= Number(to_usd)));
  return histogram.map((bar, index) => {
    const isLast = index === histogram.length - 1;
    const kind = own !== undefined && has(bar, own, isLast) ? 'own' : has(bar, Number(median_usd), isLast) ? 'median' : 'plain';
    return { key: bar.from_usd + index, height: bar.nodes === 0 ? 0 : Math.max(8, (bar.nodes / most) * 100), kind };
  });
}

/** A line through the values, in a box of 100 × 30 with its scale from the least to the most. */
export function pathOf(values: readonly number[]): string {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const y = (value: number): string => (most === least ? 15 : 28 - ((value - least) / (most - least)) * 26).toFixed(1);
  return values.map((value, index) => `${index === 0 ? 'M' : 'L'}${((index / Math.max(1, values.length - 1)) * 100).toFixed(1)} ${y(value)}`).join(' ');
}
