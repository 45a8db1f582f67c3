import { formatUsd, type MarketPrice, type MicroUsd } from '@muster/shared-types';

const BUCKETS = 12;

export interface Spread {
  nodes: number;
  p10Micro: MicroUsd;
  medianMicro: MicroUsd;
  p90Micro: MicroUsd;
}

/** A price that somebody asks, at or above this share of all (nearest rank), so that it is one that can be had. */
export function percentile(sorted: readonly MicroUsd[], share: number): MicroUsd {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0n;
}

/** One price per node, lowest first. */
export const spreadOf = (sorted: readonly MicroUsd[]): Spread => ({
  nodes: sorted.length,
  p10Micro: percentile(sorted, 0.1),
  medianMicro: percentile(sorted, 0.5),
  p90Micro: percentile(sorted, 0.9),
});

/** Buckets of equal width from the lowest price to the highest; one bucket when all are the same. Every price is in one. */
export function histogramOf(sorted: readonly MicroUsd[]): MarketPrice['histogram'] {
  const [low, high] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined) return [];
  const width = (high - low) / BigInt(BUCKETS) + 1n;
  const count = Number((high - low) / width) + 1;
  const buckets = Array.from({ length: count }, (_, index) => ({ from: low + width * BigInt(index), nodes: 0 }));
  for (const price of sorted) {
    const bucket = buckets[Number((price - low) / width)];
    if (bucket) bucket.nodes += 1;
  }
  return buckets.map(({ from, nodes }, index) => ({ from_usd: formatUsd(from), to_usd: formatUsd(index === count - 1 ? high : from + width), nodes }));
}
