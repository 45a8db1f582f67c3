import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { creditsRequired, executionPay, holdPerCopy, isTooLow, priceJob, type PriceQuestion } from './price.rules.js';

const rate = fc.bigInt({ min: 0n, max: 50_000_000n });
const timeoutS = fc.integer({ min: 1, max: 86_400 });
const question: fc.Arbitrary<PriceQuestion> = fc
  .record({
    tasks: fc.integer({ min: 1, max: 100_000 }), consensus: fc.integer({ min: 1, max: 5 }), extra: fc.nat(10), timeoutS, defaultRate: rate,
    rates: fc.array(rate, { maxLength: 12 }).map((rates) => rates.toSorted((a, b) => Number(a - b))), maxPriceMicro: fc.option(fc.bigInt({ min: 0n, max: 10n ** 12n })),
  })
  .map(({ extra, ...rest }) => ({ ...rest, maxCopies: rest.consensus + extra }));

describe('the price of a job', () => {
  it('is an upper bound: every copy of every task at the cap, to the end of its timeout, fits into the hold', () => {
    fc.assert(
      fc.property(question, fc.nat(200_000_000), fc.nat(200_000_000), (asked, durationMs, seenMs) => {
        const price = priceJob(asked);
        if (isTooLow(price)) return;
        const pay = executionPay({ rateMicroHour: price.rateCapMicroHour, durationMs, seenMs, timeoutS: asked.timeoutS });
        expect(pay * BigInt(asked.tasks) * BigInt(asked.maxCopies) <= price.holdMicro).toBe(true);
        if (asked.maxPriceMicro !== null) expect(price.holdMicro).toBe(asked.maxPriceMicro);
      }),
      { numRuns: 2_000 },
    );
  });

  it('covers enough of those who fit for agreement, or says what would', () => {
    fc.assert(
      fc.property(question, (asked) => {
        const price = priceJob(asked);
        const enough = Math.min(asked.consensus, asked.rates.length);
        if (isTooLow(price)) {
          const raised = priceJob({ ...asked, maxPriceMicro: price.neededMicro });
          expect(isTooLow(raised)).toBe(false);
          expect(asked.maxPriceMicro !== null && asked.maxPriceMicro < price.neededMicro).toBe(true);
          return;
        }
        expect(asked.rates.filter((one) => one <= price.rateCapMicroHour).length).toBeGreaterThanOrEqual(enough);
      }),
      { numRuns: 2_000 },
    );
  });

  it('without a limit is that of the dearest of the cheapest max_copies', () => {
    const asked = { tasks: 10, maxCopies: 3, consensus: 2, timeoutS: 3_600, rates: [1n, 2n, 5n, 9n], defaultRate: 7n, maxPriceMicro: null };
    expect(priceJob(asked)).toEqual({ rateCapMicroHour: 5n, holdMicro: 150n });
    expect(priceJob({ ...asked, rates: [4n] })).toEqual({ rateCapMicroHour: 4n, holdMicro: 120n });
    expect(priceJob({ ...asked, rates: [] })).toEqual({ rateCapMicroHour: 7n, holdMicro: 210n });
  });

  it('refuses a limit that reaches fewer nodes than must agree, with the least that would do', () => {
    const asked = { tasks: 1, maxCopies: 2, consensus: 2, timeoutS: 3_600, rates: [1n, 10n], defaultRate: 7n, maxPriceMicro: 19n };
    expect(priceJob(asked)).toEqual({ neededMicro: 20n });
    expect(priceJob({ ...asked, maxPriceMicro: 20n })).toEqual({ rateCapMicroHour: 10n, holdMicro: 20n });
    expect(priceJob({ ...asked, rates: [], maxPriceMicro: 0n })).toEqual({ neededMicro: 2n });
  });
});

describe('the pay of an execution', () => {
  const timing = { rateMicroHour: 3_600n, timeoutS: 300 };

  it.each([
    ['a second that was begun', 1, 5_000, 1n],
    ['whole seconds, begun ones too', 2_001, 60_000, 3n],
    ['at least one second', 0, 0, 1n],
    ['at most the timeout', 10_000_000, 10_000_000, 300n],
    ['at most what the market saw', 250_000, 4_100, 5n],
  ])('counts %s', (_what, durationMs, seenMs, pay) => {
    expect(executionPay({ ...timing, durationMs, seenMs })).toBe(pay);
  });

  it('is never more than the hold of one copy', () => {
    fc.assert(
      fc.property(rate, timeoutS, fc.nat(), fc.nat(), (rateMicroHour, limit, durationMs, seenMs) => {
        expect(executionPay({ rateMicroHour, timeoutS: limit, durationMs, seenMs }) <= holdPerCopy(rateMicroHour, limit)).toBe(true);
      }),
    );
  });
});

it('credits are micro-dollars by the thousand, rounded up', () => {
  expect([0n, 1n, 1_000n, 1_001n].map(creditsRequired)).toEqual([0n, 1n, 1n, 2n]);
});
