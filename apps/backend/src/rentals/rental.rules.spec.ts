import { RentalStatus } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import { actionsOf, isLaterPhase, isTerminal, nextStatus, statusesFor, transitions, type RentalEvent } from './rental.rules.js';

const EVENTS: RentalEvent[] = ['taken', 'progressed', 'reached', 'stop', 'start', 'parked', 'end', 'fail', 'gone', 'given_up', 'lose'];

describe('rental states', () => {
  it.each(RentalStatus.options)('%s: every event leads where the drawing says or nowhere', (status) => {
    for (const event of EVENTS) {
      const next = nextStatus(status, event);
      if (isTerminal(status)) expect(next).toBeNull();
      if (next !== null) expect(statusesFor(event)).toContain(status);
    }
  });
  it('reaches every state, and ends from everywhere', () => {
    const reachable = new Set<RentalStatus>(['pending']);
    for (const status of reachable) Object.values(transitions[status]).forEach((next) => reachable.add(next));
    expect([...reachable].sort()).toEqual(['ended', 'failed', 'lost', 'pending', 'running', 'starting', 'stopped', 'stopping']);
  });
  it('can only fail before it ran and only be lost while it runs', () => {
    expect(statusesFor('fail')).toEqual(['pending', 'starting']);
    expect(statusesFor('lose')).toEqual(['running']);
    expect(statusesFor('end')).toEqual(['pending', 'starting', 'running', 'stopping', 'stopped']);
  });
});

describe('actions', () => {
  it.each(RentalStatus.options)('%s: destroy exactly when it is not final', (status) => {
    expect(actionsOf(status, true).includes('destroy')).toBe(!isTerminal(status));
    expect(actionsOf(status, false)).not.toContain('ssh');
  });
  it('stops only what runs, and starts only what is stopped', () => {
    expect(RentalStatus.options.filter((status) => actionsOf(status, true).includes('stop'))).toEqual(['running']);
    expect(RentalStatus.options.filter((status) => actionsOf(status, true).includes('start'))).toEqual(statusesFor('start'));
  });
  it('has ssh only while it runs', () => {
    expect(RentalStatus.options.filter((status) => actionsOf(status, true).includes('ssh'))).toEqual(['running']);
  });
});

it('never goes back in its phases', () => {
  expect(isLaterPhase(null, 'queued')).toBe(true);
  expect(isLaterPhase('pulling', 'creating')).toBe(true);
  expect(isLaterPhase('probing', 'tunnelling')).toBe(false);
  expect(isLaterPhase('pulling', 'pulling')).toBe(false);
});
