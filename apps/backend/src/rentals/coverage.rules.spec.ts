import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coverageBetween, coverageWithoutMark, endMoment, joinOutages, outageBehind } from './coverage.rules.js';

const at = (second: number): Date => new Date(second * 1_000);
const outage = (from: number, to: number) => ({ from: at(from), to: at(to) });

describe('coverage between two reports', () => {
  it.each([
    ['15 s are covered', 100, 115, 0, [], 'covered'],
    ['a millisecond more is not', 100, 115.001, 1_000, [], 'gap'],
    ['the market was away and the instance went on', 100, 150, 60, [outage(102, 145)], 'covered'],
    ['the market was away and the instance began anew', 100, 150, 20, [outage(102, 145)], 'gap'],
    ['back only after the grace', 100, 206, 1_000, [outage(102, 145)], 'gap'],
    ['back on the last second of the grace', 100, 205, 1_000, [outage(102, 145)], 'covered'],
    ['the silence was older than the outage', 100, 150, 1_000, [outage(116, 145)], 'gap'],
    ['an outage that was over before the silence', 100, 150, 1_000, [outage(60, 99)], 'gap'],
    ['two outages without a fair chance between', 100, 240, 1_000, [outage(150, 230), outage(101, 120)], 'covered'],
    ['two outages with a whole grace between', 100, 240, 1_000, [outage(101, 120), outage(181, 230)], 'gap'],
  ] as const)('%s', (_, last, beat, upS, outages, kind) => {
    const found = coverageBetween(at(last), at(beat), upS, outages);
    expect(found.kind).toBe(kind);
    if (found.kind === 'gap') expect(found).toEqual({ kind: 'gap', from: at(last), to: at(beat) });
  });
});

describe('coverage before a report when the mark is lost', () => {
  const facts = { proven: at(20), covered: at(100), beat: at(106), outages: [] };
  it.each([
    ['it was up all along', { upS: 80 }, null],
    ['it came up after the loss', { upS: 2 }, [20, 104]],
    ['it came up after the loss, and was silent for long', { upS: 20, beat: at(140) }, [20, 140]],
    ['it came up after the loss, and the market was away since', { upS: 38, beat: at(150), outages: [outage(113, 140)] }, [20, 112]],
    ['it was up all along and silent for long', { upS: 80, beat: at(140) }, [100, 140]],
  ] as const)('%s', (_, more, gap) => {
    expect(coverageWithoutMark({ ...facts, ...more })).toEqual(gap ? { kind: 'gap', from: at(gap[0]), to: at(gap[1]) } : { kind: 'covered' });
  });
});

describe('the moment billing ends', () => {
  const facts = { wanted: at(200), now: at(201), outages: [], endedAtDeadline: false };
  it('is the wanted one after a report at most 15 s old', () => {
    expect(endMoment({ ...facts, covered: at(185) })).toEqual({ kind: 'at', end: at(200) });
    expect(endMoment({ ...facts, covered: at(203) })).toEqual({ kind: 'at', end: at(200) });
  });
  it('is the start of the silence when that was longer', () => {
    expect(endMoment({ ...facts, covered: at(180) })).toEqual({ kind: 'at', end: at(180) });
  });
  it('waits for the node after an outage of the market, and no longer than the grace', () => {
    const away = { ...facts, covered: at(100), outages: [outage(101, 210)], now: at(215) };
    expect(endMoment(away)).toEqual({ kind: 'wait' });
    expect(endMoment({ ...away, endedAtDeadline: true })).toEqual({ kind: 'at', end: at(200) });
    expect(endMoment({ ...away, now: at(271) })).toEqual({ kind: 'at', end: at(100) });
    expect(endMoment({ ...away, now: at(271), endedAtDeadline: true })).toEqual({ kind: 'at', end: at(100) });
  });
  it('waits when nobody knows how far it was covered', () => {
    expect(endMoment({ ...facts, covered: null })).toEqual({ kind: 'wait' });
  });
});

it('joins outages into some that are sorted, apart by a grace, and cover the same', () => {
  const any = fc.record({ from: fc.integer({ min: 0, max: 2_000 }), length: fc.integer({ min: 1, max: 300 }) }).map((o) => outage(o.from, o.from + o.length));
  fc.assert(
    fc.property(fc.array(any, { maxLength: 8 }), (outages) => {
      const joined = joinOutages(outages);
      joined.slice(1).forEach((next, index) => expect(next.from.getTime() - (joined[index]?.to.getTime() ?? 0)).toBeGreaterThan(60_000));
      for (const one of outages) expect(joined.some((whole) => whole.from <= one.from && whole.to >= one.to)).toBe(true);
    }),
  );
});

it('finds no outage behind a silence that began long before', () => {
  expect(outageBehind(at(0), at(100), [outage(50, 90)])).toBeUndefined();
});
