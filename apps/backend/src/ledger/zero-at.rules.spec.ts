import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { costOf } from './pricing.rules.js';
import { chargeThrough, settled } from './settle.rules.js';
import { secondAfter, secondsOutside, type Stretch } from './whole-seconds.rules.js';
import { accrued, deadlinesOf, ownDeadline, zeroAt, type RunningLine } from './zero-at.rules.js';

const START = 1_000;
const END = 1_400;

const gap = fc.record({ fromS: fc.integer({ min: START, max: END }), length: fc.integer({ min: 1, max: 60 }) }).map((g) => ({ fromS: g.fromS, toS: g.fromS + g.length }));
/** Rates at which a few hundred seconds cost from under one to thousands of micro-dollars. */
const rate = fc.bigInt({ min: 0n, max: 40_000n });
const line = fc
  .record({
    rateMicroHour: rate,
    billedThroughS: fc.integer({ min: START, max: START + 100 }),
    billedSeconds: fc.integer({ min: 0, max: 5_000 }),
    gaps: fc.array(gap, { maxLength: 4 }),
    runUntilS: fc.option(fc.integer({ min: START, max: END })),
    maxSpendMicro: fc.option(fc.bigInt({ min: 0n, max: 4_000n })),
  })
  .map((draft): RunningLine => {
    const settledMicro = costOf(draft.rateMicroHour, draft.billedSeconds);
    const maxSpendMicro = draft.maxSpendMicro === null ? null : settledMicro + draft.maxSpendMicro;
    return { rentalId: '', ...draft, settledMicro, maxSpendMicro };
  });
const lines = fc.array(line, { minLength: 1, maxLength: 5 }).map((all) => all.map((one, index) => ({ ...one, rentalId: `r${index}` })));

const inGap = (gaps: readonly Stretch[], second: number): boolean => gaps.some((g) => g.fromS <= second && second < g.toS);

/** The market second by second, as a person would work it out by hand. */
function simulate(prepaid: bigint, all: readonly RunningLine[], until: number) {
  const state = all.map((one) => ({ one, seconds: one.billedSeconds, at: one.billedThroughS, endedAt: null as number | null }));
  const used = (): bigint => state.reduce((sum, s) => sum + costOf(s.one.rateMicroHour, s.seconds) - s.one.settledMicro, 0n);
  for (let second = START; second < until; second += 1) {
    const live = state.filter((s) => s.endedAt === null && s.at <= second);
    for (const s of live) {
      const limit = s.one.maxSpendMicro;
      const next = inGap(s.one.gaps, second) ? s.seconds : s.seconds + 1;
      const limited = limit !== null && (costOf(s.one.rateMicroHour, next) > limit || costOf(s.one.rateMicroHour, s.seconds + 1) > limit);
      if ((s.one.runUntilS !== null && second >= s.one.runUntilS) || limited) s.endedAt = second;
    }
    const going = live.filter((s) => s.endedAt === null);
    const before = going.map((s) => s.seconds);
    for (const s of going) if (!inGap(s.one.gaps, second)) s.seconds += 1;
    if (used() > prepaid) {
      going.forEach((s, index) => (s.seconds = before[index] ?? 0));
      return { brokeAt: second, used: used() };
    }
  }
  return { brokeAt: null, used: used() };
}

describe('zero_at', () => {
  it('is the second at which a market simulated second by second runs out of money', () => {
    fc.assert(
      fc.property(lines, fc.bigInt({ min: 0n, max: 8_000n }), (all, prepaid) => {
        const simulated = simulate(prepaid, all, END + 300);
        const solved = zeroAt(prepaid, all);
        if (simulated.brokeAt === null) expect(solved === null || solved >= END + 300).toBe(true);
        else expect(solved).toBe(simulated.brokeAt);
      }),
      { numRuns: 1_000 },
    );
  });

  it('never lets the lines together cost more than the balance, nor one more than its spend limit', () => {
    fc.assert(
      fc.property(lines, fc.bigInt({ min: 0n, max: 8_000n }), (all, prepaid) => {
        const { byRental } = deadlinesOf(prepaid, all);
        const costs = all.map((one) => accrued(one, byRental.get(one.rentalId)?.atS ?? END + 1_000_000));
        if (all.every((one) => byRental.get(one.rentalId) !== null)) {
          expect(costs.reduce((sum, cost) => sum + cost, 0n) <= prepaid).toBe(true);
        }
        all.forEach((one, index) => {
          if (one.maxSpendMicro !== null) expect(one.settledMicro + (costs[index] ?? 0n) <= one.maxSpendMicro).toBe(true);
        });
      }),
      { numRuns: 1_000 },
    );
  });

  it('sees the burn rate drop when a rental ends by itself', () => {
    const base = { billedThroughS: 0, billedSeconds: 0, settledMicro: 0n, gaps: [], maxSpendMicro: null };
    const long = { ...base, rentalId: 'long', rateMicroHour: 3_600n, runUntilS: null };
    const short = { ...base, rentalId: 'short', rateMicroHour: 3_600n, runUntilS: 100 };
    // 200 micro for the first 100 s of both, then one micro a second: 300 micro last until second 200.
    expect(zeroAt(300n, [long, short])).toBe(200);
    expect(deadlinesOf(300n, [long, short]).byRental.get('short')).toEqual({ atS: 100, by: 'run_until' });
    expect(deadlinesOf(300n, [long, short]).byRental.get('long')).toEqual({ atS: 200, by: 'balance' });
  });

  it('is null when nothing runs, when it is free, and when all end before the money does', () => {
    const base = { rentalId: 'a', billedThroughS: 0, billedSeconds: 0, settledMicro: 0n, gaps: [], runUntilS: null, maxSpendMicro: null };
    expect(zeroAt(5n, [])).toBeNull();
    expect(zeroAt(0n, [{ ...base, rateMicroHour: 0n }])).toBeNull();
    expect(zeroAt(10n, [{ ...base, rateMicroHour: 3_600n, maxSpendMicro: 9n }])).toBeNull();
    expect(zeroAt(0n, [{ ...base, rateMicroHour: 3_600n }])).toBe(0);
  });
});

describe('own deadline', () => {
  const base = { rentalId: 'a', rateMicroHour: 3_600n, billedThroughS: 0, billedSeconds: 0, settledMicro: 0n, gaps: [{ fromS: 10, toS: 30 }] };
  it('moves out by the unbilled seconds for a spend limit, and not for a time of the clock', () => {
    expect(ownDeadline({ ...base, runUntilS: null, maxSpendMicro: 50n })).toEqual({ atS: 70, by: 'spend_limit' });
    expect(ownDeadline({ ...base, runUntilS: 60, maxSpendMicro: 50n })).toEqual({ atS: 60, by: 'run_until' });
    expect(ownDeadline({ ...base, runUntilS: null, maxSpendMicro: null })).toBeNull();
  });
});

describe('settling', () => {
  it('charges the same in any number of steps, each second at most once, a replay nothing', () => {
    const steps = fc.array(fc.integer({ min: START, max: END }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(line, steps, (one, moments) => {
        let current = one;
        let total = 0n;
        let seconds = 0;
        for (const moment of moments) {
          const charge = chargeThrough(current, moment);
          if (charge === null) continue;
          expect(charge.fromS).toBe(current.billedThroughS);
          total += charge.amountMicro;
          seconds += charge.seconds;
          current = settled(current, charge);
          expect(chargeThrough(current, moment)).toBeNull();
        }
        const last = Math.max(one.billedThroughS, ...moments);
        expect(total).toBe(accrued(one, last));
        expect(seconds).toBe(secondsOutside(one.billedThroughS, last, one.gaps));
      }),
    );
  });
});

describe('stretches of seconds', () => {
  const gaps = fc.array(gap, { maxLength: 6 });
  it('counts what a loop over the seconds counts', () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: START, max: END }), fc.integer({ min: 0, max: 300 }), (all, fromS, length) => {
        let naive = 0;
        for (let second = fromS; second < fromS + length; second += 1) if (!inGap(all, second)) naive += 1;
        expect(secondsOutside(fromS, fromS + length, all)).toBe(naive);
      }),
    );
  });
  it('finds the earliest second by which so many have passed', () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: START, max: END }), fc.integer({ min: 1, max: 300 }), (all, fromS, wanted) => {
        const at = secondAfter(fromS, wanted, all);
        expect(secondsOutside(fromS, at, all)).toBe(wanted);
        expect(secondsOutside(fromS, at - 1, all)).toBe(wanted - 1);
      }),
    );
  });
});
