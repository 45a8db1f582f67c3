import { describe, expect, it } from 'vitest';
import { etaSeconds, forecastEnd, maxCharge, warningsFor } from './quote.rules.js';

const now = new Date(1_000_500);
const running = [{ rentalId: 'a', rateMicroHour: 3_600n, billedThroughS: 900, billedSeconds: 0, settledMicro: 0n, gaps: [], runUntilS: null, maxSpendMicro: null }];
const input = { now, prepaidMicro: 300n, running, rateMicroHour: 3_600n, runUntil: null, maxSpendMicro: null };

describe('when it would end', () => {
  it('is when the balance pays for all rentals no longer', () => {
    // 100 micro are used already; the other 200 last 100 s for two.
    expect(forecastEnd(input)).toEqual({ endsAt: new Date(1_100_000), endsBy: 'balance' });
  });
  it('is the limit that comes first', () => {
    expect(forecastEnd({ ...input, maxSpendMicro: 40n })).toEqual({ endsAt: new Date(1_040_000), endsBy: 'spend_limit' });
    expect(forecastEnd({ ...input, maxSpendMicro: 40n, runUntil: new Date(1_030_999) })).toEqual({ endsAt: new Date(1_030_000), endsBy: 'run_until' });
  });
  it('is far away for what is free', () => {
    expect(forecastEnd({ ...input, running: [], rateMicroHour: 0n }).endsAt.getUTCFullYear()).toBeGreaterThan(2_060);
  });
});

it('never charges more than the limit or the balance', () => {
  expect(maxCharge(100n, null)).toBe(100n);
  expect(maxCharge(100n, 40n)).toBe(40n);
  expect(maxCharge(30n, 40n)).toBe(30n);
  expect(maxCharge(-5n, null)).toBe(0n);
});

it('expects what earlier starts took', () => {
  expect(etaSeconds(true, [])).toBe(3);
  expect(etaSeconds(false, [])).toBe(90);
  expect(etaSeconds(true, [1_200, 900, 15_000])).toBe(1.2);
});

it('says what is kept and what is not, and names basic isolation and the own machine', () => {
  const facts = { ownNode: true, isolation: 'basic', endsBy: 'balance' } as const;
  expect(warningsFor(facts).join('\n')).toMatch(/A stop keeps[^]*balance is used up[^]*Isolation is basic[^]*your own machine/);
  expect(warningsFor({ ...facts, ownNode: false, isolation: 'full', endsBy: 'run_until' })).toHaveLength(1);
});
