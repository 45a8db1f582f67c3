import type { InstanceSpec } from '@muster/shared-types';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ObservedInstance } from '../docker/types.js';
import { afterReboot, type DesiredDoc, emptyDoc, forCluster, foreignOrder, mergeDesiredState, mergeStart, mergeStop, type WantedInstance, withoutGone } from './desired.rules.js';
import { type Observed, plan, type Step } from './plan.rules.js';
import { beatsOf, stateOf, type Trace, updatesOf } from './status.rules.js';

const CLUSTER = '018f0000-0000-7000-8000-0000000000c1';
const A = '018f0000-0000-7000-8000-00000000000a';
const B = '018f0000-0000-7000-8000-00000000000b';
const now = { bootId: 'boot', bootS: 100 };

const spec = (rentalId: string, over: Partial<InstanceSpec> = {}): InstanceSpec => ({
  rental_id: rentalId,
  image: 'muster/workspace',
  resource_limits: { gpu_indices: [], cpu_cores: 1, ram_limit: '512m', gpu_uuids: [] },
  env_vars: {},
  proxy_port_mapping: { '22': 20022 },
  epoch: 1,
  spec_hash: 'a'.repeat(64),
  disk_gb: 1,
  shm_mb: 64,
  ssh: null,
  command: [],
  onstart: '',
  registry_auth: null,
  lease_s: 1800,
  remaining_s: null,
  ...over,
});
const wanted = (rentalId: string, over: Partial<WantedInstance> = {}): WantedInstance => ({
  spec: spec(rentalId),
  deadline_boot_s: null,
  ran: false,
  fault: null,
  ...over,
});
const doc = (...instances: WantedInstance[]): DesiredDoc => ({
  ...emptyDoc(CLUSTER, now),
  generation: 5,
  instances: Object.fromEntries(instances.map((one) => [one.spec.rental_id, one])),
});
const container = (rentalId: string, over: Partial<ObservedInstance> = {}): ObservedInstance => ({
  rentalId,
  epoch: 1,
  specHash: 'a'.repeat(64),
  nodeId: 'n',
  containerId: 'c',
  image: 'muster/workspace',
  state: 'running',
  ip: '10.213.0.2',
  startedAt: null,
  exitCode: null,
  oomKilled: false,
  gpuUuids: [],
  diskMounted: true,
  accessCut: false,
  ...over,
});
const seen = (over: Partial<Observed> = {}): Observed => ({
  containers: [],
  tunnels: [],
  images: new Set(['muster/workspace']),
  busy: new Set(),
  pulling: new Set(),
  disks: new Set(),
  rootOverrun: new Set(),
  resting: new Set(),
  made: new Set([A]),
  silentDoorS: new Map(),
  spoken: true,
  tunnelConnected: true,
  engineDownS: 0,
  agentUpS: 1e6,
  bootS: 100,
  ...over,
});
const SSH = { authorized_keys: [], host_private_key: 'key' };
const tunnel = (rentalId: string, status: 'running' | 'error' = 'running') => ({ rentalId, containerPort: 22, publicPort: 20022, localIp: '10.213.0.2', status });
const absent = (rentalId: string, over = {}) => ({ rental_id: rentalId, epoch: 1, reason: 'destroyed', grace_s: 10, keep_disk: false, ...over });

describe('plan', () => {
  it.each<[string, DesiredDoc, Observed, Step['do'][]]>([
    ['nothing wanted, nothing there', doc(), seen(), []],
    ['image missing', doc(wanted(A)), seen({ images: new Set() }), ['pull']],
    ['image present', doc(wanted(A)), seen(), ['create']],
    ['nothing new before the server has spoken', doc(wanted(A)), seen({ spoken: false }), []],
    ['created', doc(wanted(A)), seen({ containers: [container(A, { state: 'created', ip: null })] }), ['start']],
    ['running without tunnel', doc(wanted(A)), seen({ containers: [container(A)] }), ['tunnel']],
    ['settled', doc(wanted(A)), seen({ containers: [container(A)], tunnels: [tunnel(A)] }), []],
    ['a tunnel to an old address is replaced', doc(wanted(A)), seen({ containers: [container(A, { ip: '10.213.0.9' })], tunnels: [tunnel(A)] }), ['tunnel']],
    ['exited', doc(wanted(A)), seen({ containers: [container(A, { state: 'exited', ip: null, exitCode: 1 })] }), ['explain_exit']],
    ['a container that ran and vanished is not made anew', doc(wanted(A, { ran: true })), seen(), ['give_up']],
    ['created by an agent that was killed meanwhile', doc(wanted(A)), seen({ containers: [container(A, { state: 'created', ip: null })], made: new Set() }), ['remove']],
    ['an older epoch runs: access first', doc(wanted(A)), seen({ containers: [container(A, { epoch: 0 })] }), ['cut']],
    ['an older epoch is replaced', doc(wanted(A)), seen({ containers: [container(A, { epoch: 0, accessCut: true })] }), ['remove']],
    ['an older epoch waits for the server to speak', doc(wanted(A)), seen({ containers: [container(A, { epoch: 0 })], spoken: false }), []],
    ['a step under way is waited for', doc(wanted(A)), seen({ busy: new Set([A]) }), []],
    ['a pause after a failure is kept', doc(wanted(A)), seen({ resting: new Set([`${A}/create`]) }), []],
    ['a pause of one step keeps no other back', doc(wanted(A)), seen({ resting: new Set([`${A}/pull`]) }), ['create']],
    ['a dead engine is waited for', doc(wanted(A)), seen({ containers: null, engineDownS: 3 }), []],
    ['an engine dead for long fails what never ran', doc(wanted(A)), seen({ containers: null, engineDownS: 60 }), ['give_up']],
    ['a tunnel shows that it ran, to an agent that has not seen the engine yet', doc(wanted(A)), seen({ containers: null, engineDownS: 600, tunnels: [tunnel(A)] }), []],
    ['what runs goes on without its engine', doc(wanted(A, { ran: true })), seen({ containers: null, engineDownS: 600 }), []],
    ['deadline: access first', doc(wanted(A, { ran: true, deadline_boot_s: 100 })), seen({ containers: [container(A)] }), ['cut']],
    ['deadline: then the end is written down', doc(wanted(A, { ran: true, deadline_boot_s: 99 })), seen({ containers: [container(A, { accessCut: true })] }), ['give_up']],
    ['over: the container is stopped', doc(wanted(A, { ran: true, fault: { code: 'deadline', message: '' } })), seen({ containers: [container(A, { accessCut: true })] }), ['stop']],
    ['over and stopped: tunnels go, the rest waits for the server', doc(wanted(A, { ran: true, fault: { code: 'deadline', message: '' } })), seen({ containers: [container(A, { state: 'exited' })], tunnels: [tunnel(A)] }), ['untunnel']],
    ['over and stopped: settled', doc(wanted(A, { ran: true, fault: { code: 'deadline', message: '' } })), seen({ containers: [container(A, { state: 'exited' })] }), []],
    ['a pull past its deadline is cancelled', doc(wanted(A, { deadline_boot_s: 1 })), seen({ busy: new Set([A]), pulling: new Set([A]) }), ['cancel_pull']],
    ['root file system over its share', doc(wanted(A, { ran: true })), seen({ containers: [container(A)], rootOverrun: new Set([A]) }), ['cut']],
    ['silence shorter than the lease', doc(wanted(A, { ran: true })), seen({ containers: [container(A)], tunnels: [tunnel(A)], tunnelConnected: false, bootS: 1800 }), []],
    ['lease over', doc(wanted(A, { ran: true })), seen({ containers: [container(A)], tunnelConnected: false, bootS: 1900 }), ['cut']],
    ['an agent that has just started ends no lease', doc(wanted(A, { ran: true })), seen({ containers: [container(A)], tunnels: [tunnel(A)], tunnelConnected: false, agentUpS: 10, bootS: 9000 }), []],
    ['nobody behind the SSH port', doc(wanted(A, { spec: spec(A, { ssh: SSH }) })), seen({ containers: [container(A)], tunnels: [tunnel(A)], silentDoorS: new Map([[A, 30]]) }), ['cut']],
    ['another port may take longer', doc(wanted(A)), seen({ containers: [container(A)], tunnels: [tunnel(A)], silentDoorS: new Map([[A, 30]]) }), []],
    ['deadline with a dead engine: nobody new gets in', doc(wanted(A, { ran: true, deadline_boot_s: 100 })), seen({ containers: null, tunnels: [tunnel(A)] }), ['untunnel']],
    ['the lease does not run while the tunnel is up', doc(wanted(A, { ran: true })), seen({ containers: [container(A)], tunnels: [tunnel(A)], bootS: 1e6 }), []],
    ['strangers with our label are never touched', doc(), seen({ containers: [container(B)], tunnels: [tunnel(B)], disks: new Set([B]) }), []],
    ['a proxy that leads to nothing goes', doc(), seen({ tunnels: [tunnel(B)] }), ['untunnel']],
    ['whether it leads to nothing is not known without the engine', doc(), seen({ containers: null, tunnels: [tunnel(B)] }), []],
  ])('%s', (_, desired, observed, steps) => {
    expect(plan(desired, observed).map((step) => step.do)).toEqual(steps);
  });

  it.each<[string, Observed, object, Step['do'][]]>([
    ['running', seen({ containers: [container(A)], tunnels: [tunnel(A)] }), {}, ['cut']],
    ['access cut', seen({ containers: [container(A, { accessCut: true })], tunnels: [tunnel(A)] }), {}, ['untunnel']],
    ['tunnel gone', seen({ containers: [container(A, { accessCut: true })] }), {}, ['stop']],
    ['no grace', seen({ containers: [container(A, { accessCut: true })] }), { grace_s: 0 }, ['remove']],
    ['stopped', seen({ containers: [container(A, { state: 'exited' })] }), {}, ['remove']],
    ['only a disk is left', seen({ disks: new Set([A]) }), {}, ['remove']],
    ['the disk is kept', seen({ disks: new Set([A]) }), { keep_disk: true }, []],
    ['gone', seen(), {}, []],
    ['pulling', seen({ busy: new Set([A]), pulling: new Set([A]) }), {}, ['cancel_pull']],
    ['a dead engine', seen({ containers: null }), {}, []],
    ['a silent frpc does not delay the cut', seen({ containers: [container(A)], tunnels: null }), {}, ['cut']],
    ['a silent frpc does not delay the stop', seen({ containers: [container(A, { accessCut: true })], tunnels: null }), { grace_s: 0 }, ['stop']],
    ['a silent frpc may hold a proxy to it', seen({ containers: [container(A, { state: 'exited' })], tunnels: null }), {}, []],
  ])('absent, %s', (_, observed, over, steps) => {
    const desired = { ...doc(), absent: { [A]: absent(A, over) } };
    expect(plan(desired, observed).map((step) => step.do)).toEqual(steps);
  });

  it('removes only what is explicitly absent, whatever is there', () => {
    const state = fc.constantFrom<ObservedInstance['state']>('created', 'running', 'exited', 'dead', 'paused', 'restarting', 'removing');
    const facts = fc.record({ state, ran: fc.boolean(), cut: fc.boolean(), absent: fc.boolean(), wanted: fc.boolean(), bootS: fc.integer({ min: 0, max: 10_000 }) });
    fc.assert(
      fc.property(facts, (one) => {
        const desired = { ...doc(...(one.wanted ? [wanted(A, { ran: one.ran })] : [])), ...(one.absent && { absent: { [A]: absent(A) } }) };
        const steps = plan(desired, seen({ containers: [container(A, { state: one.state, accessCut: one.cut })], disks: new Set([A]), bootS: one.bootS }));
        if (!one.absent) expect(steps.filter((step) => step.do === 'remove' && !step.keepDisk)).toEqual([]);
        if (!one.absent && !one.wanted) expect(steps).toEqual([]);
      }),
    );
  });
});

describe('the desired document', () => {
  const message = { cluster_id: CLUSTER, generation: 6, instances: [spec(A)], absent: [], draining: false };

  it('takes a newer state and counts deadlines on the boot clock', () => {
    const merged = mergeDesiredState(doc(), { ...message, instances: [spec(A, { remaining_s: 60 })] }, now);
    expect(merged).toMatchObject({ kind: 'applied', doc: { generation: 6, instances: { [A]: { deadline_boot_s: 160 } } } });
  });

  it('keeps what a state does not mention', () => {
    const merged = mergeDesiredState(doc(wanted(B)), { ...message, instances: [] }, now);
    expect(merged).toMatchObject({ kind: 'applied', doc: { instances: { [B]: { spec: { rental_id: B } } } } });
  });

  it('keeps an order to remove that a state does not mention, until one wants the rental again', () => {
    const ordered = { ...doc(), absent: { [A]: absent(A), [B]: absent(B) } };
    const merged = mergeDesiredState(ordered, message, now);
    expect(merged).toMatchObject({ kind: 'applied', doc: { instances: { [A]: {} } } });
    expect(merged.kind === 'applied' && merged.doc.absent).toEqual({ [B]: absent(B) });
  });

  it('forgets an order to remove once the market knows that nothing is left', () => {
    const ordered = { ...doc(), absent: { [A]: absent(A), [B]: absent(B) } };
    expect(withoutGone(ordered, (id) => id === A).absent).toEqual({ [B]: absent(B) });
    expect(withoutGone(ordered, () => false)).toBe(ordered);
  });

  it('keeps the order to keep a disk until the market gives another one', () => {
    const stopped = { ...doc(), absent: { [A]: absent(A, { keep_disk: true }) } };
    expect(mergeDesiredState(stopped, { ...message, instances: [] }, now)).toMatchObject({ doc: { absent: stopped.absent } });
    expect(mergeStop(stopped, { ...absent(A), generation: 6 }, now)).toMatchObject({ doc: { absent: { [A]: { keep_disk: false } } } });
    expect(mergeStart(stopped, { ...spec(A, { epoch: 2 }), generation: 6 }, now)).toMatchObject({ doc: { absent: {}, instances: { [A]: { spec: { epoch: 2 } } } } });
  });

  it.each([
    ['another cluster', { ...message, cluster_id: A }],
    ['an older generation', { ...message, generation: 4 }],
  ])('refuses %s, even an order to remove', (_, old) => {
    expect(mergeDesiredState(doc(wanted(B)), { ...old, absent: [absent(B)] }, now).kind).toBe('refused');
  });

  it('takes an order that names no market only from the one it belongs to', () => {
    expect(foreignOrder(doc(), CLUSTER)).toBeNull();
    expect(foreignOrder(doc(), A)).toMatchObject({ kind: 'refused' });
    expect(foreignOrder(doc(), null)).toMatchObject({ kind: 'refused' });
  });

  it('an older stop or start is refused', () => {
    expect(mergeStop(doc(wanted(A)), { ...absent(A), generation: 4 }, now).kind).toBe('refused');
    expect(mergeStart(doc(), { ...spec(A), generation: 4 }, now).kind).toBe('refused');
  });

  it('never starts what has been ordered absent', () => {
    const merged = mergeStop(doc(wanted(A)), { ...absent(A), generation: 6 }, now);
    if (merged.kind !== 'applied') throw new Error('expected the stop to be applied');
    expect(merged.doc.instances[A]).toBeUndefined();
    expect(mergeStart(merged.doc, { ...spec(A), generation: 7 }, now).kind).toBe('refused');
  });

  it('starts again what was ordered absent in an earlier epoch', () => {
    const stopped = { ...doc(), absent: { [A]: absent(A) } };
    expect(mergeStart(stopped, { ...spec(A, { epoch: 2 }), generation: 7 }, now)).toMatchObject({ kind: 'applied', doc: { absent: {}, instances: { [A]: {} } } });
    const anyEpoch = { ...doc(), absent: { [A]: absent(A, { epoch: 0 }) } };
    expect(mergeStart(anyEpoch, { ...spec(A, { epoch: 2 }), generation: 7 }, now).kind).toBe('refused');
  });

  it('says after a reboot that what had run is over, begins anew what had not, and keeps every order', () => {
    const before = { ...doc(wanted(A, { ran: true, deadline_boot_s: 5 }), wanted(B)), absent: { [CLUSTER]: absent(CLUSTER, { keep_disk: true }) } };
    expect(afterReboot(before, now)).toBe(before);
    const after = afterReboot(before, { bootId: 'next', bootS: 3 });
    expect(after.instances).toMatchObject({ [A]: { fault: { code: 'host_rebooted' }, deadline_boot_s: null }, [B]: { fault: null } });
    expect(after).toMatchObject({ boot_id: 'next', absent: before.absent, last_contact_boot_s: 3 });
    expect(plan(after, seen({ disks: new Set([A]), bootS: 3 })).map((step) => `${step.do} ${step.rentalId}`)).toEqual([`create ${B}`]);
  });

  it('belongs to the market it was enrolled on anew only when nothing of the old one is left', () => {
    expect(forCluster(doc(), A, now)).toMatchObject({ cluster_id: A, generation: 0 });
    expect(forCluster(doc(wanted(B)), A, now)).toMatchObject({ cluster_id: CLUSTER, instances: { [B]: {} } });
  });

  it('a new epoch forgets the fault of the old one, the same epoch keeps it', () => {
    const over = wanted(A, { ran: true, fault: { code: 'exited', message: '' } });
    const same = mergeDesiredState(doc(over), message, now);
    const newer = mergeDesiredState(doc(over), { ...message, instances: [spec(A, { epoch: 2 })] }, now);
    expect(same).toMatchObject({ doc: { instances: { [A]: { ran: true, fault: { code: 'exited' } } } } });
    expect(newer).toMatchObject({ doc: { instances: { [A]: { ran: false, fault: null } } } });
  });
});

describe('what the server is told', () => {
  it('reports gone only when container, tunnels and disk are gone', () => {
    const desired = { ...doc(), absent: { [A]: absent(A) } };
    expect(updatesOf(desired, seen({ disks: new Set([A]) }), new Map())).toEqual([]);
    expect(updatesOf(desired, seen({ containers: [container(A)] }), new Map())).toEqual([]);
    expect(updatesOf(desired, seen(), new Map())).toEqual([{ rental_id: A, epoch: 1, state: 'gone' }]);
  });

  it('reports stopped when the container is gone and its disk is kept, and gone when that disk is not there', () => {
    const desired = { ...doc(), absent: { [A]: absent(A, { keep_disk: true }) } };
    expect(updatesOf(desired, seen({ containers: [container(A)], disks: new Set([A]) }), new Map())).toEqual([]);
    expect(updatesOf(desired, seen({ disks: new Set([A]) }), new Map())).toEqual([{ rental_id: A, epoch: 1, state: 'stopped' }]);
    expect(updatesOf(desired, seen(), new Map())).toEqual([{ rental_id: A, epoch: 1, state: 'gone' }]);
  });

  it('speaks of a kept disk in heartbeats: stopping, stopped with a dead engine, and on its way back', () => {
    const trace = (over: Partial<Trace>): Trace => ({ progress: null, digest: null, phaseMs: {}, upSince: null, tunnellingMs: null, diskSince: null, ...over });
    const traces = new Map([[A, trace({ diskSince: 40, upSince: 10 })]]);
    const stopped = { ...doc(), absent: { [A]: absent(A, { keep_disk: true }) } };
    const kept = { rental_id: A, epoch: 1, tunnel_up: false, up_s: 0, disk_s: 60 };
    expect(beatsOf(stopped, seen({ containers: [container(A)] }), traces)).toEqual([{ ...kept, state: 'running' }]);
    expect(beatsOf(stopped, seen({ containers: null }), traces)).toEqual([{ ...kept, state: 'stopped' }]);
    expect(beatsOf(doc(wanted(A, { spec: spec(A, { epoch: 2, disk_kept: true }) })), seen(), traces)).toEqual([{ ...kept, epoch: 2, state: 'stopped' }]);
    expect(beatsOf(stopped, seen(), new Map([[A, trace({})]]))).toEqual([]);
  });

  it('says nothing while the engine is down', () => {
    expect(updatesOf({ ...doc(wanted(A)), absent: { [B]: absent(B) } }, seen({ containers: null }), new Map())).toEqual([]);
  });

  it.each([
    ['failed', wanted(A, { fault: { code: 'bad_spec', message: '' } }), undefined],
    ['exited', wanted(A, { ran: true, fault: { code: 'exited', message: '' } }), undefined],
    ['tunnelling', wanted(A), container(A)],
    ['creating', wanted(A), container(A, { state: 'created' })],
    ['creating', wanted(A), undefined],
  ])('%s', (state, one, item) => {
    expect(stateOf(one, item, seen())).toBe(state);
  });

  it('nothing is gone while a silent frpc may hold its proxies', () => {
    const desired = { ...doc(), absent: { [A]: absent(A) } };
    expect(updatesOf(desired, seen({ tunnels: null }), new Map())).toEqual([]);
    expect(updatesOf(desired, seen(), new Map())).toMatchObject([{ rental_id: A, state: 'gone' }]);
  });

  it('an engine that stays dead is told as the end of what never ran', () => {
    const over = wanted(A, { fault: { code: 'engine_down', message: 'x' } });
    expect(updatesOf(doc(over), seen({ containers: null }), new Map())).toMatchObject([{ state: 'failed' }]);
  });
});
