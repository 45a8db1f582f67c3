import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAtLeast, isolationOf, isSafeRunc } from './isolation.rules.js';
import { offeredCpuCores, offeredRamMb, withinShare } from './offer-share.rules.js';

describe('what a machine offers of itself', () => {
  it.each([
    [1024, 768],
    [4096, 3072],
    [8192, 6144],
    [16_384, 14_336],
    [24_105, 21_694],
    [524_288, 471_859],
  ])('of %i MiB of RAM %i', (total, offered) => expect(offeredRamMb(total)).toBe(offered));

  it.each([
    [2, null, 2],
    [8, 3.5, 3],
    [4, 16, 4],
    [1, 0.5, 1],
  ])('of %i CPUs under quota %s: %i', (available, quota, offered) => expect(offeredCpuCores(available, quota)).toBe(offered));

  it.each([
    [2, null, 2],
    [8, 3, 3],
    [2, 3, 2],
  ])('%i under a share of %s: %i', (offered, share, left) => expect(withinShare(offered, share)).toBe(left));

  it('more of a bigger machine, and never all of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 4_000_000 }), fc.nat(100_000), (total, more) => {
        expect(offeredRamMb(total)).toBeLessThan(total);
        expect(offeredRamMb(total + more)).toBeGreaterThanOrEqual(offeredRamMb(total) - 1);
      }),
    );
  });
});

describe('isolation', () => {
  it.each([
    ['1.1.5+ds1', false],
    ['1.3.5', false],
    ['1.3.6', true],
    ['1.3.7', true],
    ['1.4.2', false],
    ['1.4.3', true],
    ['1.5.0-rc.1', false],
    ['1.5.0', true],
    ['1.12.0', true],
    ['2.0.0', true],
    ['', false],
    [null, false],
  ])('runc %s safe: %s', (version, safe) => expect(isSafeRunc(version)).toBe(safe));

  it('compares numbers and not text', () => {
    expect([
      isAtLeast('20.10.24', '20.10'),
      isAtLeast('5.9.0', '5.10'),
      isAtLeast('v0.70.1', '0.70.1'),
      isAtLeast('6.18.44-fc-v657', '5.10'),
    ]).toEqual([true, false, true, true]);
  });

  it.each([
    ['1.3.6', null, false, 'full'],
    ['1.3.6', null, true, 'basic'],
    ['1.3.6', '1.19.0', true, 'basic'],
    ['1.3.6', '1.19.1', true, 'full'],
    ['1.1.5', '1.19.1', true, 'basic'],
  ] as const)('runc %s, toolkit %s, GPUs %s: %s', (runc, toolkit, hasGpus, isolation) => {
    expect(isolationOf({ runc, toolkit, hasGpus })).toBe(isolation);
  });
});
