import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coveredMs, isLost, ownSilenceMs, presenceAfter, silentSince } from './presence.rules.js';

const at = (s: number): Date => new Date(Date.UTC(2026, 0, 1) + s * 1000);
const judge = (silentS: number, http = false) => presenceAfter({ lastBeatAt: at(0), now: at(silentS), outages: [], http });

describe('presence by silence', () => {
  it.each([[0, 'online'], [15, 'online'], [15.001, 'unreachable'], [119.999, 'unreachable'], [120, 'offline'], [1e6, 'offline']] as const)('%s s over the socket: %s', (s, word) => {
    expect(judge(s)).toBe(word);
  });
  it.each([[16, 'online'], [90, 'online'], [90.001, 'unreachable'], [120, 'offline']] as const)('%s s over HTTP: %s', (s, word) => {
    expect(judge(s, true)).toBe(word);
  });
  it('gives a host up after 60 minutes of its own silence', () => {
    const silence = (s: number, outages: { from: Date; to: Date }[]) => isLost({ lastBeatAt: at(0), now: at(s), outages, http: false });
    expect(silence(3599, [])).toBe(false);
    expect(silence(3600, [])).toBe(true);
    expect(silence(3600, [{ from: at(100), to: at(200) }])).toBe(false);
    expect(silence(3700, [{ from: at(100), to: at(200) }])).toBe(true);
  });
  it('starts the silence after the last outage that touches it', () => {
    expect(silentSince({ lastBeatAt: at(0), now: at(50), outages: [] })).toEqual(at(0));
    expect(silentSince({ lastBeatAt: at(0), now: at(50), outages: [{ from: at(10), to: at(20) }, { from: at(-9), to: at(-1) }] })).toEqual(at(20));
  });
});

describe('what outages cover', () => {
  const outage = fc.tuple(fc.nat(500), fc.nat(500)).map(([from, length]) => ({ from: at(from), to: at(from + length) }));

  it('is counted second by second, overlaps once', () => {
    fc.assert(
      fc.property(fc.array(outage, { maxLength: 6 }), fc.nat(400), fc.nat(600), (outages, from, length) => {
        const inside = (s: number): boolean => outages.some((each) => each.from <= at(s) && at(s) < each.to);
        const bySecond = Array.from({ length }, (_, i) => from + i).filter(inside).length;
        expect(coveredMs(at(from).getTime(), at(from + length).getTime(), outages)).toBe(bySecond * 1000);
        expect(ownSilenceMs({ lastBeatAt: at(from), now: at(from + length), outages })).toBe((length - bySecond) * 1000);
      }),
    );
  });

  it('never makes a node look worse', () => {
    const rank = { online: 0, unreachable: 1, offline: 2 };
    fc.assert(
      fc.property(fc.array(outage, { maxLength: 6 }), fc.nat(1000), (outages, s) => {
        const silence = { lastBeatAt: at(0), now: at(s), http: false };
        expect(rank[presenceAfter({ ...silence, outages })]).toBeLessThanOrEqual(rank[presenceAfter({ ...silence, outages: [] })]);
      }),
    );
  });
});
