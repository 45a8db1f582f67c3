import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FIRST_DELAY_MS, LONGEST_DELAY_MS, restartDelayMs, WELL_AFTER_MS, type Life } from './restart.rules.js';

const short = (startedAt: number): Life => ({ startedAt, endedAt: startedAt + 1_000 });
const well = (startedAt: number): Life => ({ startedAt, endedAt: startedAt + WELL_AFTER_MS });

describe('restart of a part that died', () => {
  it.each([
    ['its first death', [well(0)], FIRST_DELAY_MS],
    ['a first death right after the start', [short(0)], FIRST_DELAY_MS],
    ['the second in a row', [short(0), short(2_000)], 200],
    ['the third in a row', [short(0), short(2_000), short(4_000)], 400],
    ['a death after it had been well again', [short(0), short(2_000), well(4_000)], FIRST_DELAY_MS],
    ['the next one after that', [short(0), well(2_000), short(40_000)], 200],
  ])('after %s', (_when, lives, delay) => {
    expect(restartDelayMs(lives)).toBe(delay);
  });

  it('always comes, at once the first time and never later than the longest delay', () => {
    fc.assert(fc.property(fc.array(fc.nat(60_000), { minLength: 1, maxLength: 40 }), (ages) => {
      const delay = restartDelayMs(ages.map((age) => ({ startedAt: 0, endedAt: age })));
      expect(delay).toBeGreaterThanOrEqual(FIRST_DELAY_MS);
      expect(delay).toBeLessThanOrEqual(LONGEST_DELAY_MS);
    }));
  });
});
