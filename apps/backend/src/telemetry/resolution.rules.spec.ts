import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resolve } from './resolution.rules.js';

const NOW = 1_800_000_007;
const HOUR = 3_600;
const DAY = 86_400;

describe('a range is read', () => {
  it.each([
    ['the last hour', { fromS: NOW - HOUR, toS: NOW }, 15, ['raw']],
    ['the last five minutes', { fromS: NOW - 300, toS: NOW }, 5, ['raw']],
    ['the last day', { fromS: NOW - DAY, toS: NOW }, 600, ['1m', 'raw']],
    ['an hour of ten days ago', { fromS: NOW - 10 * DAY, toS: NOW - 10 * DAY + HOUR, stepS: 5 }, 60, ['1m']],
    ['a month', { fromS: NOW - 30 * DAY, toS: NOW }, 14_400, ['1h']],
    ['a fortnight by the hour', { fromS: NOW - 14 * DAY, toS: NOW, stepS: HOUR }, HOUR, ['1h', '1m', 'raw']],
    ['a year', { fromS: NOW - 365 * DAY, toS: NOW }, DAY, ['1h']],
  ])('%s', (_what, range, stepS, tiers) => {
    const resolution = resolve(range, NOW);
    expect(resolution.stepS).toBe(stepS);
    expect(resolution.parts.map(({ tier }) => tier)).toEqual(tiers);
  });

  it('whole: parts follow one another over all of it, in whole steps, and never give too many points', () => {
    const seconds = fc.integer({ min: NOW - 800 * DAY, max: NOW + DAY });
    fc.assert(
      fc.property(seconds, seconds, fc.option(fc.integer({ min: 1, max: DAY }), { nil: undefined }), (a, b, wanted) => {
        const { fromS, toS, stepS, parts } = resolve({ fromS: Math.min(a, b), toS: Math.max(a, b), stepS: wanted }, NOW);
        const edges = parts.flatMap((part) => [part.fromS, part.toS]);
        expect(edges.every((edge) => edge % stepS === 0)).toBe(true);
        expect([edges[0] ?? fromS, edges.at(-1) ?? toS]).toEqual([fromS, toS]);
        for (let index = 1; index < parts.length; index += 1) expect(parts[index]?.fromS).toBe(parts[index - 1]?.toS);
        expect((toS - fromS) / stepS).toBeLessThanOrEqual(1_500);
      }),
    );
  });
});
