import fc from 'fast-check';
import { expect, it } from 'vitest';
import { histogramOf, percentile, spreadOf } from './prices.rules.js';

it('percentiles are prices that somebody asks', () => {
  expect(spreadOf([1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n, 9n, 10n])).toEqual({ nodes: 10, p10Micro: 1n, medianMicro: 5n, p90Micro: 9n });
  expect(spreadOf([])).toEqual({ nodes: 0, p10Micro: 0n, medianMicro: 0n, p90Micro: 0n });
  expect(percentile([7n], 0.1)).toBe(7n);
});

it('every price is in one bucket, within its bounds', () => {
  expect(histogramOf([])).toEqual([]);
  expect(histogramOf([5n, 5n])).toEqual([{ from_usd: '0.000005', to_usd: '0.000005', nodes: 2 }]);
  fc.assert(
    fc.property(fc.array(fc.bigInt({ min: 0n, max: 10n ** 9n }), { minLength: 1, maxLength: 50 }), (prices) => {
      const buckets = histogramOf(prices.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0)));
      expect(buckets.reduce((sum, { nodes }) => sum + nodes, 0)).toBe(prices.length);
      expect(buckets.length).toBeLessThanOrEqual(12);
      for (const [index, bucket] of buckets.slice(1).entries()) expect(bucket.from_usd).toBe(buckets[index]?.to_usd);
    }),
  );
});
