import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RentalWorld, type Renter } from '../../test/rental-world.js';
import { MasterKey } from '../platform/master-key.js';
import { DeadlineEnder } from './deadlines.js';
import { EndRental } from './end.js';
import { instancesOfNodes } from './instances-of-node.js';
import { LostRentals } from './lost.js';

let world: RentalWorld;
beforeAll(async () => {
  world = await RentalWorld.start();
});
afterAll(() => world.close());

const row = (id: string) => world.db.rental.findUniqueOrThrow({ where: { id } });
const used = (nodeId: string) => world.db.hostNode.findUniqueOrThrow({ where: { id: nodeId }, select: { cpuUsed: true, ramMbUsed: true, diskGbUsed: true } });
const desired = async (nodeId: string) => (await instancesOfNodes(world.db, world.app.app.get(MasterKey), [nodeId], world.clock.now())).get(nodeId);
const lawful = async () => expect(await world.broken()).toEqual([]);

/** A renter with a rental of 2 vCPU and 10 GB that runs, on a machine of its own. */
async function running(body: Record<string, unknown> = {}): Promise<{ renter: Renter; nodeId: string; id: string }> {
  const renter = await world.renter(25);
  const nodeId = await world.node({ cpu: 4, ramMb: 8_192, diskGb: 40 });
  return { renter, nodeId, id: await world.running(renter, `${nodeId}.c2`, { disk_gb: 10, ...body }) };
}

describe('a rental that is stopped and started', () => {
  it('keeps its disk and its ports, frees the rest, and costs its disk alone until it runs again', async () => {
    const { renter, nodeId, id } = await running();
    const before = await row(id);
    await world.pass(100, [id]);
    const stopping = await world.stop(renter, id);
    expect(stopping).toMatchObject({ status: 200, body: { status: 'stopping', connection: null, actions: ['destroy', 'logs'], end_time: null, end_reason: null } });
    expect((await world.stop(renter, id)).body.status).toBe('stopping');
    expect((await desired(nodeId))?.absent).toMatchObject([{ rental_id: id, epoch: 1, keep_disk: true }]);
    expect(await used(nodeId)).toMatchObject({ cpuUsed: 2, diskGbUsed: 10 });
    await world.pass(10, [id]);
    await world.report(id, 'stopped');
    await world.report(id, 'stopped');
    expect(await world.view(renter, id)).toMatchObject({ status: 'stopped', actions: ['start', 'destroy'], released: false, billing: { billed_seconds: 100, stored_since: new Date(Number(before.startTime) + 100_000).toISOString() } });
    expect(await used(nodeId)).toEqual({ cpuUsed: 0, ramMbUsed: 0, diskGbUsed: 10 });
    expect((await desired(nodeId))?.absent).toMatchObject([{ rental_id: id, keep_disk: true }]);
    await lawful();
    await world.pass(590, [id]);
    await world.startedAgain(renter, id);
    const again = await row(id);
    expect(again).toMatchObject({ epoch: 2, sshHostKey: before.sshHostKey, connectionInfo: before.connectionInfo, billedSeconds: 100n, storedSeconds: 600n, storedSince: null, parkedAt: null });
    expect(await used(nodeId)).toMatchObject({ cpuUsed: 2, ramMbUsed: before.ramMb, diskGbUsed: 10 });
    await world.pass(50, [id]);
    await world.destroy(renter, id);
    const ended = await row(id);
    expect([ended.billedSeconds, ended.storedSeconds]).toEqual([150n, 600n]);
    expect(ended.settledMicro).toBe((ended.rateMicroHour * 150n + ended.storageMicroHour * 600n) / 3_600n);
    expect(await world.prepaid(renter.id)).toBe(25_000_000n - ended.settledMicro);
    await world.report(id, 'gone');
    expect(await used(nodeId)).toEqual({ cpuUsed: 0, ramMbUsed: 0, diskGbUsed: 0 });
    await lawful();
  });

  it('is settled and shown on the statement like one that runs', async () => {
    const { renter, id } = await running();
    await world.pass(10, [id]);
    await world.stopped(renter, id);
    await world.pass(300, [id]);
    const { body } = await world.app.call('listStatement', { token: renter.key, query: { rental_id: id } });
    expect(body.items[0]).toMatchObject({ kind: 'rental', memo: '300 s of disk' });
    const stored = await row(id);
    expect([stored.billedSeconds, stored.storedSeconds]).toEqual([10n, 300n]);
    const balance = await world.app.call('getBalance', { token: renter.key });
    expect(Number(balance.body.burn_usd_per_hour) * 1e6).toBe(Number(stored.storageMicroHour));
    await world.destroy(renter, id);
    await lawful();
  });

  it('costs nothing while its machine is silent', async () => {
    const { renter, id } = await running();
    await world.pass(20, [id]);
    await world.stopped(renter, id);
    await world.pass(100, [id]);
    world.seconds(500);
    await world.beat([id]);
    await world.pass(40, [id]);
    world.seconds(300);
    await world.startedAgain(renter, id);
    expect(await row(id)).toMatchObject({ billedSeconds: 20n, storedSeconds: 140n });
    await world.destroy(renter, id);
    await lawful();
  });

  it('is destroyed while it is stopped, stopping, or starting again', async () => {
    for (const when of ['stopping', 'stopped', 'starting'] as const) {
      const { renter, nodeId, id } = await running();
      await world.pass(20, [id]);
      await world.stop(renter, id);
      if (when !== 'stopping') await world.report(id, 'stopped');
      await world.pass(30, [id]);
      if (when === 'starting') await world.start(renter, id);
      const destroyed = await world.destroy(renter, id);
      expect(destroyed).toMatchObject({ status: 200, body: { status: 'stopping', end_reason: 'destroyed', actions: ['destroy', 'logs'] } });
      expect((await desired(nodeId))?.absent).toMatchObject([{ rental_id: id, keep_disk: false }]);
      await world.report(id, 'stopped');
      expect(await row(id)).toMatchObject({ status: 'stopping', billedSeconds: 20n, storedSeconds: 30n });
      await world.report(id, 'gone');
      expect(await world.view(renter, id)).toMatchObject({ status: 'ended', released: true });
      expect(await used(nodeId)).toEqual({ cpuUsed: 0, ramMbUsed: 0, diskGbUsed: 0 });
      await lawful();
    }
  });

  it('that does not start again is stopped again, with its disk and a reason', async () => {
    const { renter, nodeId, id } = await running();
    await world.pass(20, [id]);
    await world.stopped(renter, id);
    await world.pass(10, [id]);
    await world.start(renter, id);
    expect((await desired(nodeId))?.instances).toMatchObject([{ rental_id: id, epoch: 2, disk_kept: true }]);
    await world.report(id, 'failed', { fault: { code: 'image_pull_failed', message: 'no such image' } });
    expect(await world.view(renter, id)).toMatchObject({ status: 'stopping', end_reason: null, fault: { code: 'image_pull_failed', message: expect.stringContaining('no such image') } });
    await world.report(id, 'stopped');
    expect(await world.view(renter, id)).toMatchObject({ status: 'stopped', actions: ['start', 'destroy'] });
    expect(await used(nodeId)).toEqual({ cpuUsed: 0, ramMbUsed: 0, diskGbUsed: 10 });
    await world.startedAgain(renter, id);
    expect(await row(id)).toMatchObject({ epoch: 3, faultCode: null });
    await world.destroy(renter, id);
    await lawful();
  });

  it('ends when its machine has lost the disk, where that was known last', async () => {
    const { renter, id } = await running();
    await world.pass(20, [id]);
    await world.stopped(renter, id);
    await world.pass(30, [id]);
    await world.report(id, 'gone');
    expect(await world.view(renter, id)).toMatchObject({ status: 'ended', end_reason: 'disk_lost', released: true, billing: { stored_seconds: 30 } });
    await lawful();
  });
});

describe('start', () => {
  it('is refused with what is missing and when there may be room, and works when there is', async () => {
    const { renter, nodeId, id } = await running();
    await world.stopped(renter, id);
    const runUntil = new Date(world.clock.now().getTime() + 900_000).toISOString();
    const other = await world.renter(25);
    const rented = await world.rent(other, `${nodeId}.c4`, { disk_gb: 1, run_until: runUntil });
    expect(rented.status).toBe(201);
    expect(await world.start(renter, id)).toMatchObject({ status: 409, body: { code: 'no_capacity', facts: { cpu_cores_needed: '2', cpu_cores_free: '0', ram_mb_free: '0', free_at: runUntil } } });
    await lawful();
    await world.destroy(other, rented.body.id);
    await world.report(rented.body.id, 'gone');
    await world.startedAgain(renter, id);
    await world.destroy(renter, id);
    await lawful();
  });

  it('takes GPUs of the same model, whichever are free', async () => {
    const renter = await world.renter(25);
    const nodeId = await world.node({ cpu: 4, ramMb: 8_192, diskGb: 40, gpus: 2 });
    const id = await world.running(renter, `${nodeId}.g1.rtx-4090`);
    const first = (await row(id)).spec as { gpu_uuids: string[] };
    await world.stopped(renter, id);
    expect(await world.db.gpu.count({ where: { nodeId, rentalId: null } })).toBe(2);
    const other = await world.rent(await world.renter(25), `${nodeId}.g1.rtx-4090`);
    await world.startedAgain(renter, id);
    const second = (await row(id)).spec as { gpu_uuids: string[] };
    expect(second.gpu_uuids).not.toEqual(first.gpu_uuids);
    expect((await row(id)).specHash).toMatch(/^[0-9a-f]{64}$/);
    expect(other.status).toBe(201);
    await lawful();
  });

  it('is refused where the machine takes nothing, does not answer, or the balance does not carry it; a repeated one is answered again', async () => {
    const { renter, nodeId, id } = await running();
    expect((await world.start(renter, id)).body.code).toBe('action_not_allowed');
    await world.stopped(renter, id);
    const set = (data: { listing?: 'draining' | 'listed' | 'unlisted'; presence?: 'offline' | 'online' }) => world.db.hostNode.update({ where: { id: nodeId }, data });
    await set({ listing: 'draining' });
    expect(await world.start(renter, id)).toMatchObject({ status: 409, body: { code: 'node_not_ready', facts: { listing: 'draining' } } });
    await set({ listing: 'unlisted', presence: 'offline' });
    expect(await world.start(renter, id)).toMatchObject({ status: 503, body: { code: 'node_unreachable', facts: { presence: 'offline' } } });
    await set({ presence: 'online' });
    const answers = [await world.start(renter, id, { 'idempotency-key': 'once' }), await world.start(renter, id, { 'idempotency-key': 'once' })];
    expect(answers).toMatchObject([{ status: 200, body: { status: 'starting', phase: 'queued' } }, { status: 200, body: { status: 'starting' } }]);
    expect((await row(id)).epoch).toBe(2);
    await world.destroy(renter, id);
    await lawful();
  });

  it('is refused without ten minutes of money', async () => {
    const renter = await world.renter(0.02);
    const nodeId = await world.node({ cpu: 4, ramMb: 8_192, diskGb: 40 });
    const id = await world.running(renter, `${nodeId}.c2`, { disk_gb: 1 });
    await world.pass(1_200, [id]);
    await world.stopped(renter, id);
    expect(await world.start(renter, id)).toMatchObject({ status: 402, body: { code: 'insufficient_funds' } });
    expect((await world.view(renter, id)).status).toBe('stopped');
    await world.destroy(renter, id);
    await lawful();
  });
});

describe('limits of a stopped rental', () => {
  it.each([
    ['run_until', () => ({ run_until: new Date(world.clock.now().getTime() + 120_000).toISOString() })],
    ['spend_limit', () => ({ max_spend_usd: '0.0004' })],
  ] as const)('%s deletes its disk, exactly then', async (reason, limit) => {
    const { renter, id } = await running(limit());
    await world.pass(30, [id]);
    await world.stopped(renter, id);
    const { deadlineAt } = await row(id);
    await world.pass((Number(deadlineAt) - world.clock.now().getTime()) / 1_000 + 5, [id]);
    await world.app.app.get(DeadlineEnder).pass();
    const ended = await row(id);
    expect(ended).toMatchObject({ status: 'stopping', endReason: reason, endTime: deadlineAt, keepDisk: false });
    expect(ended.settledMicro).toBe((ended.rateMicroHour * ended.billedSeconds + ended.storageMicroHour * ended.storedSeconds) / 3_600n);
    await world.report(id, 'gone');
    await lawful();
  });
});

describe('its machine', () => {
  it.each(['host_rebooted', 'lease_ended'] as const)('stops it by its own doing (%s): its disk is kept, the silence before is free, and it may be started', async (code) => {
    const { renter, id } = await running();
    await world.pass(30, [id]);
    world.seconds(200);
    await world.report(id, 'exited', { fault: { code, message: '' } });
    expect(await world.view(renter, id)).toMatchObject({ status: 'stopping', end_reason: null, fault: { code }, billing: { billed_seconds: 30 } });
    await world.beat([id]);
    await world.report(id, 'stopped');
    await world.pass(20, [id]);
    await world.startedAgain(renter, id);
    expect(await row(id)).toMatchObject({ billedSeconds: 30n, storedSeconds: 20n, faultCode: null });
    await world.destroy(renter, id);
    await lawful();
  });


  it('may be silent for hours and loses no stopped rental', async () => {
    const { renter, nodeId, id } = await running();
    await world.pass(30, [id]);
    await world.stopped(renter, id);
    const since = world.clock.now();
    world.seconds(7_200);
    expect(await world.app.app.get(LostRentals).markLost(nodeId, since)).toBe(0);
    await world.beat([id]);
    await world.pass(10, [id]);
    await world.destroy(renter, id);
    expect(await row(id)).toMatchObject({ billedSeconds: 30n, storedSeconds: 10n });
    await lawful();
  });

  it('ends what is stopped on it when it leaves for good, and keeps it when it only shuts down', async () => {
    const { renter, nodeId, id } = await running();
    await world.stopped(renter, id);
    const end = world.app.app.get(EndRental);
    expect(await end.endRentalsOfNode(nodeId, 'host_shutdown')).toBe(0);
    expect(await end.endRentalsOfNode(nodeId, 'host_retired')).toBe(1);
    expect(await world.view(renter, id)).toMatchObject({ status: 'stopping', end_reason: 'host_retired' });
    await lawful();
  });
});
