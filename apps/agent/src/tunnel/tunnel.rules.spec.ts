import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { proxyName } from '@muster/shared-types';
import type { StoredProxy } from './store-api.js';
import { describeTunnels, missedBySession, planRental, restartDelayMs, retryDelayMs } from './tunnel.rules.js';
import type { TunnelMapping } from './types.js';

const stored = (port: number, rentalId = 'mine', localIp = '10.0.0.2'): StoredProxy => ({
  name: proxyName(port), rentalId, localIp, localPort: 22, remotePort: port,
});
const mapping = (publicPort: number, localIp = '10.0.0.2'): TunnelMapping => ({ containerPort: 22, publicPort, localIp });

describe('planRental', () => {
  it.each([
    ['creates what is missing', [mapping(1)], [], ['create p1']],
    ['leaves what is right', [mapping(1)], [stored(1)], []],
    ['follows a new address', [mapping(1, '10.0.0.3')], [stored(1)], ['update p1']],
    ['removes what is no longer wanted', [], [stored(1), stored(2)], ['remove p1', 'remove p2']],
    ['never touches another rental', [], [stored(1, 'theirs')], []],
    ['takes over a name that another rental left', [mapping(1)], [stored(1, 'theirs')], ['update p1']],
    ['removes before it creates', [mapping(2)], [stored(1)], ['remove p1', 'create p2']],
  ])('%s', (_, wanted, held, expected) => {
    const steps = planRental('mine', wanted, held);
    expect(steps.map((step) => `${step.do} ${step.do === 'remove' ? step.name : step.proxy.name}`)).toEqual(expected);
  });

  it('is settled after it has been carried out', () => {
    const ports = fc.uniqueArray(fc.integer({ min: 20_000, max: 20_010 }));
    const held = fc.uniqueArray(fc.record({ port: fc.integer({ min: 20_000, max: 20_010 }), rental: fc.constantFrom('mine', 'theirs') }), { selector: (one) => one.port });
    fc.assert(
      fc.property(ports, held, (wanted, before) => {
        const mappings = wanted.map((port) => mapping(port));
        const after = new Map(before.map((one) => [proxyName(one.port), stored(one.port, one.rental)]));
        for (const step of planRental('mine', mappings, [...after.values()])) {
          if (step.do === 'remove') after.delete(step.name);
          else after.set(step.proxy.name, step.proxy);
        }
        expect(planRental('mine', mappings, [...after.values()])).toEqual([]);
        expect([...after.values()].filter((one) => one.rentalId === 'mine')).toHaveLength(wanted.length);
      }),
    );
  });
});

describe('describeTunnels', () => {
  it.each([
    ['running', 'running'],
    ['new', 'starting'],
    ['wait start', 'starting'],
    ['closed', 'starting'],
    ['start error', 'error'],
    ['check failed', 'error'],
    ['a phase of a later frp', 'starting'],
  ])('%s is %s', (phase, status) => {
    const [tunnel] = describeTunnels([stored(1)], [{ name: 'p1', phase, error: 'why', localAddr: '' }]);
    expect(tunnel).toMatchObject({ rentalId: 'mine', containerPort: 22, publicPort: 1, localIp: '10.0.0.2', status });
    expect(tunnel?.error).toBe(status === 'error' ? 'why' : undefined);
  });

  it('waits for a session, and leaves out what is not ours', () => {
    expect(describeTunnels([stored(1)], [])).toMatchObject([{ status: 'starting' }]);
    expect(describeTunnels([stored(1, '')], [])).toEqual([]);
  });
});

describe('missedBySession', () => {
  const run = (name: string, localAddr = '10.0.0.2:22') => ({ name, phase: 'running', error: '', localAddr });

  it.each([
    ['nothing', [stored(1)], [run('p1')], []],
    ['what is stored and not run', [stored(1), stored(2)], [run('p1')], ['p2']],
    ['what is run and not stored', [stored(1)], [run('p1'), run('p2')], ['p2']],
    ['what is run with another address', [stored(1)], [run('p1', '10.0.0.3:22')], ['p1']],
  ])('%s', (_, held, statuses, expected) => {
    expect(missedBySession(held, statuses)).toEqual(expected);
  });
});

describe('delays', () => {
  it('of retries double up to 5 s', () => {
    expect([0, 1, 2, 3, 4, 99].map(retryDelayMs)).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  });
  it('of restarts come after three lives without an answer and end at 5 s', () => {
    expect([0, 3, 4, 5, 99].map(restartDelayMs)).toEqual([0, 0, 500, 1_000, 5_000]);
  });
});
