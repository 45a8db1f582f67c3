import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { reliability } from './reliability.rules.js';

const NOW = new Date('2026-03-01T00:00:00Z');
const ago = (minutes: number): Date => new Date(NOW.getTime() - minutes * 60_000);
const MONTH = 30 * 24 * 60;

describe('reliability', () => {
  it.each([
    { known: 0, down: 0, ok: 0, failed: 0, is: 1 },
    { known: 90, down: 0, ok: 5, failed: 0, is: 1 },
    { known: 90, down: 10, ok: 0, failed: 0, is: 90 / 100 },
    { known: 90, down: 90, ok: 0, failed: 0, is: 10 / 100 },
    { known: 90, down: 500, ok: 0, failed: 0, is: 10 / 100 },
    { known: 90, down: 0, ok: 0, failed: 10, is: 10 / 20 },
    { known: 90, down: 10, ok: 30, failed: 10, is: (90 / 100) * (40 / 50) },
    { known: 2 * MONTH, down: 432, ok: 0, failed: 0, is: (MONTH - 432 + 10) / (MONTH + 10) },
  ])('of %o', ({ known, down, ok, failed, is }) => {
    const parts = reliability({ registeredAt: ago(known), downMs: down * 60_000, startsOk: ok, startsFailed: failed }, NOW);
    expect(parts.reliability).toBeCloseTo(is, 6);
    expect(parts).toMatchObject({ window_days: 30, minutes: Math.min(known, MONTH), down_minutes: Math.min(down, known, MONTH), starts_ok: ok, starts_failed: failed });
  });

  it('stays within 0 and 1 and falls with every bad minute and start', () => {
    fc.assert(
      fc.property(fc.nat(100_000), fc.nat(100_000), fc.nat(1000), fc.nat(1000), (known, down, ok, failed) => {
        const of = (more: number, worse: number) => reliability({ registeredAt: ago(known), downMs: (down + more) * 60_000, startsOk: ok, startsFailed: failed + worse }, NOW).reliability;
        expect(of(0, 0)).toBeGreaterThanOrEqual(0);
        expect(of(0, 0)).toBeLessThanOrEqual(1);
        expect(of(1, 0)).toBeLessThanOrEqual(of(0, 0));
        expect(of(0, 1)).toBeLessThanOrEqual(of(0, 0));
      }),
    );
  });
});
