import { describe, expect, it } from 'vitest';
import { barsOf, pathOf } from './price-shape.rules';

const bar = (from: string, to: string, nodes: number) => ({ from_usd: from, to_usd: to, nodes });

describe('how prices spread', () => {
  const price = { median_usd: '0.250000', histogram: [bar('0.100000', '0.200000', 4), bar('0.200000', '0.300000', 8), bar('0.300000', '0.400000', 0)] };
  it('the highest bar is whole, none is empty that has one', () => expect(barsOf(price).map(({ height, kind }) => [height, kind])).toEqual([[50, 'plain'], [100, 'median'], [0, 'plain']]));
  it('where a price of one’s own would stand', () => expect(barsOf(price, 0.4).map(({ kind }) => kind)).toEqual(['plain', 'median', 'own']));
  it('a line', () => expect(pathOf([1, 3, 2])).toBe('M0.0 28.0 L50.0 2.0 L100.0 15.0'));
  it('a flat one lies in the middle', () => expect(pathOf([2, 2])).toBe('M0.0 15 L100.0 15'.replaceAll('15', '15.0')));
});
