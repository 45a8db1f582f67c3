import { HeartbeatMetrics } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RentalWorld, type Renter } from '../../test/rental-world.js';
import { gateNode } from '../tunnels/gate-table.store.js';
import { NodeHealth } from './health.js';

let world: RentalWorld;
let renter: Renter;
beforeAll(async () => {
  world = await RentalWorld.start();
  renter = await world.renter(50);
});
afterAll(() => world.close());

const metrics = (over: object = {}): HeartbeatMetrics => HeartbeatMetrics.parse({ cpu_temp: null, gpu_temp: [], gpu_utilization: [], ram_usage_mb: 1, disk_usage_gb: 10, disk_total_gb: 100, ...over });
const beat = (nodeId: string, over: object): void => world.app.app.get(NodeHealth).onBeat(nodeId, metrics(over), world.clock.now());
const findings = (nodeId: string) => world.db.nodeFinding.findMany({ where: { nodeId }, orderBy: { since: 'asc' } });
const opened = (nodeId: string, code: string) => waitFor(async () => (await findings(nodeId)).find((one) => one.code === code), { what: `${code} of ${nodeId}`, deadlineMs: 10_000 });
const lifecycleOf = async (nodeId: string): Promise<string> => (await world.db.hostNode.findUniqueOrThrow({ where: { id: nodeId } })).lifecycle;
const eventsOf = async (nodeId: string): Promise<unknown[]> => (await world.db.outboxEvent.findMany({ where: { aggregateId: nodeId, name: 'NodeFinding' }, orderBy: { id: 'asc' } })).map(({ payload }) => payload);

describe('a GPU that is lost', () => {
  it('takes its machine off the market, ends what holds it as of the fault, and is told to both', async () => {
    const nodeId = await world.node({ gpus: 2 });
    const rentalId = await world.running(renter, `${nodeId}.g1.rtx-4090`, { disk_gb: 1 });
    const { uuid } = await world.db.gpu.findFirstOrThrow({ where: { rentalId } });
    await world.pass(100, [rentalId]);
    beat(nodeId, { gpus: [{ uuid, state: 'ok' }] });
    await world.pass(5, [rentalId]);
    beat(nodeId, { gpus: [{ uuid, state: 'lost' }] });
    beat(nodeId, { gpus: [{ uuid, state: 'lost' }] });
    await opened(nodeId, 'gpu_lost');
    const ended = await waitFor(async () => {
      const row = await world.db.rental.findUniqueOrThrow({ where: { id: rentalId } });
      return row.endTime === null ? undefined : row;
    }, { what: 'the end of the rental' });
    expect(ended).toMatchObject({ status: 'stopping', endReason: 'host_fault', faultCode: 'gpu_lost', billedSeconds: 100n });
    expect(await lifecycleOf(nodeId)).toBe('quarantined');
    expect(await findings(nodeId)).toHaveLength(1);
    // What else runs on it keeps its way in.
    expect(await gateNode(world.db, world.tunnelServerId, nodeId)).toBeDefined();
    expect(await eventsOf(nodeId)).toMatchObject([{ state: 'open', code: 'gpu_lost', rental_ids: [rentalId], owner_id: world.hostId }]);
  });

  it('that is back for a minute gives the machine back, whichever replica sees it', async () => {
    const nodeId = await world.node({ gpus: 1 });
    const { uuid } = await world.db.gpu.findFirstOrThrow({ where: { nodeId } });
    beat(nodeId, { gpus: [{ uuid, state: 'lost' }] });
    await opened(nodeId, 'gpu_lost');
    await waitFor(async () => (await lifecycleOf(nodeId)) === 'quarantined' || undefined, { what: 'the quarantine' });
    world.seconds(30);
    beat(nodeId, { gpus: [{ uuid, state: 'ok' }] });
    await world.app.app.get(NodeHealth).compare();
    expect(await lifecycleOf(nodeId)).toBe('quarantined');
    world.seconds(61);
    beat(nodeId, { gpus: [{ uuid, state: 'ok' }] });
    await waitFor(async () => (await lifecycleOf(nodeId)) !== 'quarantined' || undefined, { what: 'the end of the quarantine' });
    expect((await findings(nodeId))[0]?.clearedAt).toEqual(world.clock.now());
    expect(await eventsOf(nodeId)).toMatchObject([{ state: 'open' }, { state: 'closed' }]);
  });
});

describe('a fault that the driver told of', () => {
  const event = (uuid: string, xid: number, seq = 1) => ({ seq, boot_id: 'boot-1', xid, gpu_uuid: uuid, ago_s: 20 });

  it('stays until the machine is started again', async () => {
    const nodeId = await world.node({ gpus: 1 });
    const { uuid } = await world.db.gpu.findFirstOrThrow({ where: { nodeId } });
    beat(nodeId, { xids: [event(uuid, 79)] });
    await opened(nodeId, 'xid_79');
    world.seconds(3_600);
    beat(nodeId, { gpus: [{ uuid, state: 'ok' }] });
    await world.app.app.get(NodeHealth).compare();
    expect((await findings(nodeId))[0]?.clearedAt).toBeNull();
    const { specs } = await world.db.hostNode.findUniqueOrThrow({ where: { id: nodeId } });
    await world.db.hostNode.update({ where: { id: nodeId }, data: { specs: { ...(specs as object), boot_id: 'boot-2' } } });
    await world.app.app.get(NodeHealth).compare();
    await waitFor(async () => (await findings(nodeId))[0]?.clearedAt ?? undefined, { what: 'the end of the finding' });
    expect(await lifecycleOf(nodeId)).not.toBe('quarantined');
  });

  it('and is the tenant’s own is told to the renter, once, and costs the host nothing', async () => {
    const nodeId = await world.node({ gpus: 1 });
    const rentalId = await world.running(renter, `${nodeId}.g1.rtx-4090`, { disk_gb: 1 });
    const { uuid } = await world.db.gpu.findFirstOrThrow({ where: { rentalId } });
    for (let time = 0; time < 3; time += 1) beat(nodeId, { xids: [event(uuid, 31), event(uuid, 31, 2)] });
    const notes = () => world.db.rentalEvent.findMany({ where: { rentalId, kind: 'program' } });
    await waitFor(async () => (await notes())[0], { what: 'the note' });
    beat(nodeId, { disk_usage_gb: 95, xids: [event(uuid, 31, 3)] });
    await opened(nodeId, 'disk_nearly_full');
    expect(await notes()).toHaveLength(1);
    expect(await findings(nodeId)).toHaveLength(1);
    expect(await lifecycleOf(nodeId)).toBe('verified');
    expect((await world.db.rental.findUniqueOrThrow({ where: { id: rentalId } })).status).toBe('running');
  });
});

it('an operator’s quarantine outlasts what heartbeats show', async () => {
  const nodeId = await world.node({ gpus: 1 });
  await world.db.hostNode.update({ where: { id: nodeId }, data: { lifecycle: 'quarantined' } });
  beat(nodeId, { disk_usage_gb: 99 });
  await opened(nodeId, 'disk_full');
  await world.app.app.get(NodeHealth).compare();
  world.seconds(61);
  beat(nodeId, {});
  await waitFor(async () => (await findings(nodeId))[0]?.clearedAt ?? undefined, { what: 'the end of the finding' });
  expect(await lifecycleOf(nodeId)).toBe('quarantined');
  expect(await gateNode(world.db, world.tunnelServerId, nodeId)).toBeUndefined();
});
