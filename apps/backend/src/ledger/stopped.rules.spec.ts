import fc from 'fast-check';
import { STORAGE_RESERVE_H } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import { ratesOf } from './rates.rules.js';
import { chargeThrough } from './settle.rules.js';
import { accrued, deadlinesOf, storageReserve, type RunningLine } from './zero-at.rules.js';

const gap = fc.record({ at: fc.nat(3_000), length: fc.integer({ min: 1, max: 200 }) }).map(({ at, length }) => ({ fromS: at, toS: at + length }));
const rates = fc.record({ rateMicroHour: fc.bigInt({ min: 0n, max: 5_000_000n }), part: fc.double({ min: 0, max: 1, noNaN: true }) }).map(({ rateMicroHour, part }) => ({ rateMicroHour, storageMicroHour: BigInt(Math.floor(Number(rateMicroHour) * part)) }));
/** Stretches of one life, running and stopped in turn; each is settled at so many moments within it. */
const life = fc.array(fc.record({ seconds: fc.nat(500), settledAt: fc.array(fc.nat(500), { maxLength: 3 }) }), { minLength: 1, maxLength: 8 });

describe('the bill of a rental', () => {
  it('is, for any sequence of stops and starts, gaps and settlements, the sum of its seconds at their rates, rounded down once', () => {
    const inGap = (gaps: readonly { fromS: number; toS: number }[], second: number): boolean => gaps.some((one) => one.fromS <= second && second < one.toS);
    fc.assert(
      fc.property(rates, life, fc.array(gap, { maxLength: 4 }), ({ rateMicroHour, storageMicroHour }, stretches, gaps) => {
        const bill = { billedSeconds: 0n, storedSeconds: 0n, settledMicro: 0n, through: 0 };
        const seconds = [0n, 0n];
        let second = 0;
        for (const [index, { seconds: length, settledAt }] of stretches.entries()) {
          const stored = index % 2 === 1;
          for (const end of [...settledAt.filter((at) => at < length).sort((a, b) => a - b), length].map((at) => second + at)) {
            const line: RunningLine = { rentalId: 'r', ...ratesOf({ stored, rateMicroHour, storageMicroHour, ...bill }), billedThroughS: bill.through, settledMicro: bill.settledMicro, gaps, runUntilS: null, maxSpendMicro: null };
            const charge = chargeThrough(line, end);
            if (!charge) continue;
            bill[stored ? 'storedSeconds' : 'billedSeconds'] += BigInt(charge.seconds);
            bill.settledMicro += charge.amountMicro;
            bill.through = charge.toS;
          }
          for (const end = second + length; second < end; second += 1) if (!inGap(gaps, second)) seconds[stored ? 1 : 0]! += 1n;
        }
        expect([bill.billedSeconds, bill.storedSeconds]).toEqual(seconds);
        expect(bill.settledMicro).toBe((rateMicroHour * seconds[0]! + storageMicroHour * seconds[1]!) / 3_600n);
      }),
    );
  });
});

describe('a balance that is used up', () => {
  const line = (over: Partial<RunningLine>): RunningLine => ({ rentalId: 'a', rateMicroHour: 36_000n, diskMicroHour: 3_600n, billedThroughS: 0, billedSeconds: 0, settledMicro: 0n, gaps: [], runUntilS: null, maxSpendMicro: null, ...over });

  it('stops what runs while enough is left to keep every disk for two days, and a disk goes when nothing is left', () => {
    const running = line({});
    const stored = line({ rentalId: 'b', rateMicroHour: 3_600n, stored: true });
    const reserve = storageReserve(7_200n);
    expect(reserve).toBe(7_200n * BigInt(STORAGE_RESERVE_H));
    // 11 micro a second for both together, on top of the reserve; then 2 a second for 172,800 s.
    const { zeroAtS, byRental } = deadlinesOf(reserve + 1_100n, [running, stored]);
    expect(zeroAtS).toBe(100);
    expect(byRental.get('a')).toEqual({ atS: 100, by: 'balance' });
    expect(byRental.get('b')).toEqual({ atS: 100 + STORAGE_RESERVE_H * 3_600, by: 'balance' });
    expect(deadlinesOf(reserve + 1_100n, [{ ...running, runUntilS: 50 }, stored]).byRental.get('a')).toEqual({ atS: 50, by: 'run_until' });
    expect(deadlinesOf(360n, [stored])).toEqual({ zeroAtS: 360, byRental: new Map([['b', { atS: 360, by: 'balance' }]]) });
  });

  it('keeps every disk for at least that long, and never costs more than there was', () => {
    const drawn = fc.record({ rateMicroHour: fc.bigInt({ min: 1n, max: 500_000n }), diskMicroHour: fc.bigInt({ min: 1n, max: 20_000n }), stored: fc.boolean(), billedSeconds: fc.nat(5_000) });
    fc.assert(
      fc.property(fc.array(drawn, { minLength: 1, maxLength: 5 }), fc.bigInt({ min: 0n, max: 2_000_000n }), (all, spare) => {
        const lines = all.map(({ rateMicroHour, ...one }, index) => {
          const rate = one.stored ? one.diskMicroHour : rateMicroHour;
          return line({ ...one, rentalId: `r${index}`, rateMicroHour: rate, settledMicro: (rate * BigInt(one.billedSeconds)) / 3_600n });
        });
        const prepaid = storageReserve(lines.reduce((sum, one) => sum + (one.diskMicroHour ?? 0n), 0n)) + spare;
        const { zeroAtS, byRental } = deadlinesOf(prepaid, lines);
        const stopS = lines.some((one) => !one.stored) ? (zeroAtS ?? 0) : 0;
        let used = 0n;
        for (const one of lines) {
          const at = byRental.get(one.rentalId)?.atS ?? 0;
          used += accrued(one, one.stored ? stopS : at);
          if (one.stored) expect(at - stopS).toBeGreaterThanOrEqual(STORAGE_RESERVE_H * 3_600);
        }
        if (stopS > 0 || used > 0n) expect(used <= spare).toBe(true);
      }),
    );
  });
});
