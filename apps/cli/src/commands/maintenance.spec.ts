import { describe, expect, it } from 'vitest';
import { planOf } from './maintenance.js';

const NOW = Date.parse('2026-01-01T12:00:00Z');

describe('a plan of maintenance', () => {
  it.each([
    [{ for: '90m' }, { until: '2026-01-01T13:30:00.000Z', reason: '' }],
    [{ from: '2h', for: '1h', reason: 'fans' }, { from: '2026-01-01T14:00:00.000Z', until: '2026-01-01T15:00:00.000Z', reason: 'fans' }],
    [{ until: '2026-01-02T00:00:00+01:00' }, { until: '2026-01-01T23:00:00.000Z', reason: '' }],
  ])('%o', (options, plan) => expect(planOf(options, NOW)).toEqual(plan));

  it.each([{ for: 'soon' }, { for: '0' }, { until: 'tomorrow' }, { from: 'x', for: '1h' }])('is refused for %o', (options) => expect(() => planOf(options, NOW)).toThrow(/is a time/));
});
