import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseUsd } from '@muster/shared-types';
import { costOf, rateOf, secondsWithin, unitPrices } from './pricing.rules.js';

it('affords exactly the seconds whose cost is within the budget', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 1n, max: 10n ** 10n }), fc.bigInt({ min: 0n, max: 10n ** 9n }), (rate, budget) => {
      const seconds = secondsWithin(rate, budget);
      expect(seconds).not.toBeNull();
      expect(costOf(rate, seconds ?? 0) <= budget).toBe(true);
      expect(costOf(rate, (seconds ?? 0) + 1) > budget).toBe(true);
    }),
  );
  expect(secondsWithin(0n, 5n)).toBeNull();
  expect(secondsWithin(5n, -1n)).toBe(0);
});

it('makes a rate the sum of its shown parts', () => {
  const amount = fc.integer({ min: 0, max: 5_000_000 });
  const share = fc.record({ numGpus: fc.integer({ min: 0, max: 16 }), cpuCores: fc.integer({ min: 1, max: 256 }), ramMb: amount, diskGb: fc.integer({ min: 1, max: 10_000 }) });
  const price = fc.bigInt({ min: 0n, max: 20_000_000n });
  const prices = fc.record({ gpuHour: price, cpuCoreHour: price, ramGibHour: price, diskGbMonth: price, inetUpGb: price, inetDownGb: price });
  fc.assert(
    fc.property(share, prices, (what, unit) => {
      const rate = rateOf(what, unit);
      const sum = rate.parts.reduce((total, part) => total + parseUsd(part.usd_per_hour), 0n);
      expect(sum).toBe(rate.totalMicroHour);
      expect(rate.parts.some((part) => part.name === 'gpu')).toBe(what.numGpus > 0);
    }),
  );
});

it('adds up as on the price list', () => {
  const pricing = { gpu_dph: '0.400000', cpu_core_dph: '0.010000', ram_gib_dph: '0.005000', storage_cost: '0.100000', inet_up_cost: '0.000000', inet_down_cost: '0.000000' };
  const cpu = rateOf({ numGpus: 0, cpuCores: 2, ramMb: 4096, diskGb: 73 }, unitPrices(pricing));
  // 2 × $0.010 + 4 × $0.005 + 73 × $0.10 / 730
  expect(cpu.totalMicroHour).toBe(20_000n + 20_000n + 10_000n);
  expect(cpu.baseMicroHour).toBe(40_000n);
  const gpu = rateOf({ numGpus: 2, cpuCores: 2, ramMb: 4096, diskGb: 73 }, unitPrices(pricing));
  expect(gpu.totalMicroHour).toBe(850_000n);
});
