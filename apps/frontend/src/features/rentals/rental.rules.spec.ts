import { describe, expect, it } from 'vitest';
import { askEveryMs, finishedMs, phaseLines } from './rental.rules';

const states = (rental: Parameters<typeof phaseLines>[0]): string => phaseLines(rental).map(({ state }) => state).join(' ');

describe('the way to running', () => {
  it('just rented', () => expect(states({ status: 'pending', phase: null, phase_ms: {} })).toBe('now next next next next'));
  it('in the middle', () => {
    const rental = { status: 'starting' as const, phase: 'creating' as const, phase_ms: { queued: 120, pulling: 3_000 } };
    expect(states(rental)).toBe('done done now next next');
    expect(finishedMs(phaseLines(rental))).toBe(3_120);
  });
  it('arrived', () => expect(states({ status: 'running', phase: null, phase_ms: { queued: 1, pulling: 1, creating: 1, tunnelling: 1, probing: 1, total: 5 } })).toBe('done done done done done'));
  it('failed on the way', () => expect(states({ status: 'failed', phase: 'pulling', phase_ms: { queued: 120 } })).toBe('done stopped next next next'));
  it('asks often while it moves, never when it is over', () => expect((['starting', 'running', 'ended'] as const).map((status) => askEveryMs({ status }))).toEqual([1_000, 5_000, false]));
});
