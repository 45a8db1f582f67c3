import { createServer } from 'node:net';
import { STORAGE_RESERVE_H } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RentalWorld } from '../../test/rental-world.js';
import { costOf, secondsWithin } from '../ledger/pricing.rules.js';
import { Settler } from '../ledger/settle.js';
import { storageReserve } from '../ledger/zero-at.rules.js';
import { MasterKey } from '../platform/master-key.js';
import { RentalProgress } from './advance.js';
import { DeadlineEnder } from './deadlines.js';
import { EndRental } from './end.js';
import { instancesOfNodes } from './instances-of-node.js';
import { LostRentals } from './lost.js';
import { makeHostKey } from './rental-secrets.js';
import { StartsAndStops } from './starts.js';

let world: RentalWorld;
beforeAll(async () => {
  world = await RentalWorld.start();
});
afterAll(() => world.close());

const row = (id: string) => world.db.rental.findUniqueOrThrow({ where: { id } });
const deadlines = () => world.app.app.get(DeadlineEnder).pass();
const starts = () => world.app.app.get(StartsAndStops).pass();
const node = async () => `${await world.node({ cpu: 4, ramMb: 8_192, diskGb: 40 })}`;
const lawful = async () => expect(await world.broken()).toEqual([]);

describe('a rental', () => {
  it('goes from rent to release, and costs exactly its reachable seconds', async () => {
    const renter = await world.renter(25);
    const nodeId = await node();
    const { body } = await world.rent(renter, `${nodeId}.c2`);
    const id: string = body.id;
    await world.report(id, 'pulling', { progress: { current_bytes: 5, total_bytes: 10, layers_done: 1, layers: 2 } });
    expect(await world.view(renter, id)).toMatchObject({ status: 'starting', phase: 'pulling', progress: { current_bytes: 5 }, actions: ['destroy', 'logs'] });
    await world.report(id, 'creating', { container_id: 'abc', phase_ms: { pulling: 1_200.4, nonsense: 3 } });
    await world.report(id, 'pulling');
    expect(await world.view(renter, id)).toMatchObject({ phase: 'creating', phase_ms: { pulling: 1_200 } });
    world.seconds(20.4);
    await world.openDoor(id);
    await world.report(id, 'running');
    await waitFor(async () => (await row(id)).status === 'running' || undefined, { what: 'running', deadlineMs: 20_000 });
    const view = await world.view(renter, id);
    const started = world.clock.now().getTime();
    expect(new Date(view.start_time ?? 0).getTime()).toBe(Math.ceil(started / 1_000) * 1_000);
    expect(view).toMatchObject({ status: 'running', phase: null, actions: ['stop', 'destroy', 'ssh', 'logs'] });
    expect(view.phase_ms['total']).toBe(20_400);
    await world.pass(600, [id]);
    const destroyed = await world.destroy(renter, id);
    expect(destroyed).toMatchObject({ status: 200, body: { status: 'stopping', end_reason: 'destroyed', connection: null, released: false } });
    const ended = await row(id);
    const seconds = (Number(ended.endTime) - Number(ended.startTime)) / 1_000;
    expect(seconds).toBe(599);
    expect(ended.settledMicro).toBe(costOf(ended.rateMicroHour, seconds));
    expect(await world.prepaid(renter.id)).toBe(25_000_000n - ended.settledMicro);
    expect(((await instancesOfNodes(world.db, world.app.app.get(MasterKey), [nodeId], world.clock.now())).get(nodeId))?.absent).toMatchObject([{ rental_id: id, reason: 'destroyed', keep_disk: false }]);
    await world.report(id, 'gone');
    await world.report(id, 'gone');
    expect(await world.view(renter, id)).toMatchObject({ status: 'ended', released: true, actions: [] });
    expect(await world.db.hostNode.findUnique({ where: { id: nodeId }, select: { cpuUsed: true, ramMbUsed: true, diskGbUsed: true, startsOk: true } })).toEqual({ cpuUsed: 0, ramMbUsed: 0, diskGbUsed: 0, startsOk: 1 });
    expect(await world.db.tunnelPort.count({ where: { rentalId: id } })).toBe(0);
    expect(await world.db.tunnelPort.count({ where: { restUntil: { gt: world.clock.now() } } })).toBeGreaterThanOrEqual(2);
    expect((await world.destroy(renter, id)).body.code).toBe('action_not_allowed');
    await lawful();
    world.seconds(0.6);
  });

  it('runs only when the very key it was given is proven behind its public port', async () => {
    const renter = await world.renter(25);
    const { body } = await world.rent(renter, `${await node()}.c1`);
    await world.openDoor(body.id, makeHostKey().privateKey);
    await world.report(body.id, 'running');
    await waitFor(async () => (await world.view(renter, body.id)).phase === 'probing' || undefined, { what: 'probing', deadlineMs: 10_000 });
    world.seconds(61);
    await waitFor(async () => (await row(body.id)).status === 'failed' || undefined, { what: 'failing', deadlineMs: 20_000 });
    const failed = await world.view(renter, body.id);
    expect(failed).toMatchObject({ end_reason: 'start_failed', fault: { code: 'port_not_answering' }, start_time: null, billing: { cost_usd: '0.000000' } });
    await world.report(body.id, 'gone');
    expect((await world.view(renter, body.id)).released).toBe(true);
    await lawful();
  });

  it('of a template without SSH runs when its ready port serves: a connection that ends at once is no answer', async () => {
    await world.db.template.create({ data: { slug: 'web', title: 'web', image: 'example/web', ports: [80], ssh: false, readyPort: 80, command: [] } });
    const renter = await world.renter(25);
    await world.db.sshKey.deleteMany({ where: { userId: renter.id } });
    const { body } = await world.rent(renter, `${await node()}.c1`, { template: 'web' });
    const { connectionInfo } = await row(body.id);
    let refused = 0;
    const server = createServer((socket) => void (refused < 3 ? ((refused += 1), socket.end()) : socket.resume()).on('error', () => undefined));
    await new Promise<void>((resolve) => server.listen((connectionInfo as { ports: Record<string, number> }).ports['80'], '127.0.0.1', resolve));
    await world.report(body.id, 'running');
    const view = await waitFor(async () => {
      const seen = await world.view(renter, body.id);
      return seen.status === 'running' ? seen : undefined;
    }, { what: 'running', deadlineMs: 30_000 });
    expect(refused).toBe(3);
    expect(view).toMatchObject({ actions: ['stop', 'destroy', 'logs'], connection: { ssh: null, jupyter: null } });
    server.close();
    await world.destroy(renter, body.id);
  });

  it.each([
    ['image_pull_failed', 'failed', { code: 'image_pull_failed', message: 'no such image: x:y\u0007' }],
    ['exited_at_once', 'exited', undefined],
    ['disk_full', 'failed', { code: 'disk_full', message: '' }],
    ['engine_down', 'failed', { code: 'engine_down', message: '' }],
  ] as const)('that fails before it runs (%s) is free, says why, and gives everything back', async (code, state, fault) => {
    const renter = await world.renter(25);
    const nodeId = await node();
    const { body } = await world.rent(renter, `${nodeId}.c4`);
    await world.report(body.id, 'creating');
    await world.report(body.id, state, fault ? { fault } : {});
    const view = await world.view(renter, body.id);
    expect(view).toMatchObject({ status: 'failed', end_reason: 'start_failed', fault: { code }, released: false, actions: [] });
    expect(view.fault?.message).toMatch(/^[\x20-\x7e]{10,}$/);
    await world.report(body.id, 'gone');
    expect(await world.prepaid(renter.id)).toBe(25_000_000n);
    expect((await world.rent(renter, `${nodeId}.c4`)).status).toBe(201);
    const { startsFailed } = await world.db.hostNode.findUniqueOrThrow({ where: { id: nodeId } });
    expect(startsFailed).toBe(code === 'disk_full' || code === 'engine_down' ? 1 : 0);
    await lawful();
  });

  it('that no host answers fails in time, and is free', async () => {
    const renter = await world.renter(25);
    const { body } = await world.rent(renter, `${await node()}.c1`);
    world.seconds(59);
    await starts();
    expect((await row(body.id)).status).toBe('pending');
    world.seconds(2);
    await starts();
    expect(await world.view(renter, body.id)).toMatchObject({ status: 'failed', fault: { code: 'host_not_answering' } });
    await lawful();
  });

  it('is destroyed before it runs at no cost', async () => {
    const renter = await world.renter(25);
    const { body } = await world.rent(renter, `${await node()}.c1`);
    await world.report(body.id, 'pulling');
    expect((await world.destroy(renter, body.id)).body).toMatchObject({ status: 'stopping', billing: { cost_usd: '0.000000' } });
    await world.report(body.id, 'running');
    expect((await world.destroy(renter, body.id)).status).toBe(200);
    await world.report(body.id, 'gone');
    expect(await world.view(renter, body.id)).toMatchObject({ status: 'ended', start_time: null, released: true, billing: { cost_usd: '0.000000' } });
    await lawful();
  });

  it('whose program ends is billed to that moment', async () => {
    const renter = await world.renter(25);
    const id = await world.running(renter, `${await node()}.c1`);
    await world.pass(100, [id]);
    await world.report(id, 'exited', { fault: { code: 'out_of_memory', message: '' } });
    const view = await world.view(renter, id);
    expect(view).toMatchObject({ status: 'stopping', end_reason: 'instance_exited', fault: { code: 'out_of_memory' }, billing: { billed_seconds: 100 } });
    world.seconds(31);
    await starts();
    expect(await world.view(renter, id)).toMatchObject({ status: 'ended', released: false });
    await world.report(id, 'gone');
    expect((await world.view(renter, id)).released).toBe(true);
    await lawful();
  });

  it('ends with everything on a machine that is retired', async () => {
    const renter = await world.renter(25);
    const nodeId = await node();
    const id = await world.running(renter, `${nodeId}.c1`);
    const pending = (await world.rent(renter, `${nodeId}.c1`)).body.id;
    await world.pass(30, [id]);
    expect(await world.app.app.get(EndRental).endRentalsOfNode(nodeId, 'host_retired')).toBe(2);
    expect(await world.app.app.get(EndRental).endRentalsOfNode(nodeId, 'host_retired')).toBe(0);
    expect((await row(id)).billedSeconds).toBe(30n);
    expect(await row(pending)).toMatchObject({ status: 'stopping', settledMicro: 0n, endReason: 'host_retired' });
    await lawful();
  });
});

describe('reports of a node', () => {
  it('count for its own rentals and their present epoch only', async () => {
    const renter = await world.renter(25);
    const { body } = await world.rent(renter, `${await node()}.c1`);
    const progress = world.app.app.get(RentalProgress);
    const update = { rental_id: body.id, epoch: 1, state: 'gone' as const };
    expect(await progress.applyInstanceUpdate(await node(), update)).toMatchObject({ ok: false, problem: { code: 'not_found' } });
    const { nodeId } = await row(body.id);
    for (const epoch of [0, 2]) expect(await progress.applyInstanceUpdate(nodeId, { ...update, state: 'running', epoch })).toMatchObject({ ok: false, problem: { code: 'stale_message' } });
    expect((await row(body.id)).status).toBe('pending');
  });
});

describe('money to the second', () => {
  it('stops everything when the balance is used up, keeps the disks by what is left, and deletes them with not a micro-dollar too much', async () => {
    const renter = await world.renter(0.05);
    const nodeId = await world.node({ cpu: 8, ramMb: 8_192, diskGb: 80 });
    const [first, second] = [await world.running(renter, `${nodeId}.c4`, { disk_gb: 1 }), await world.running(renter, `${nodeId}.c2`, { disk_gb: 1 })];
    const { zeroAt } = await world.db.user.findUniqueOrThrow({ where: { id: renter.id } });
    const balance = await world.app.call('getBalance', { token: renter.key });
    expect(balance.body).toMatchObject({ balance_usd: '0.050000', zero_at: zeroAt?.toISOString() });
    const seconds = (Number(zeroAt) - world.clock.now().getTime()) / 1_000;
    await world.pass(seconds - 1, [first, second]);
    expect(await deadlines()).toBe(0);
    world.seconds(4);
    expect(await deadlines()).toBe(2);
    const stopped = [await row(first), await row(second)];
    for (const rental of stopped) expect(rental).toMatchObject({ status: 'stopping', keepDisk: true, endReason: null, faultCode: 'balance_exhausted', storedSince: zeroAt });
    const spendable = 50_000n - stopped.reduce((sum, rental) => sum + storageReserve(rental.storageMicroHour), 0n);
    const costAfter = (more: number) => stopped.reduce((sum, rental) => sum + costOf(rental.rateMicroHour, Number(rental.billedSeconds) + more), 0n);
    expect(costAfter(0) <= spendable && costAfter(1) > spendable).toBe(true);
    expect(await world.prepaid(renter.id)).toBe(50_000n - costAfter(0));
    for (const id of [first, second]) await world.report(id, 'stopped');
    await lawful();

    const deleteAt = (await world.db.user.findUniqueOrThrow({ where: { id: renter.id } })).zeroAt;
    expect(Number(deleteAt) - Number(zeroAt)).toBeGreaterThanOrEqual(STORAGE_RESERVE_H * 3_600_000);
    expect((await world.view(renter, first)).billing).toMatchObject({ deadline_at: deleteAt?.toISOString(), deadline_by: 'balance' });
    await world.passLong((Number(deleteAt) - world.clock.now().getTime()) / 1_000 - 1, [first, second]);
    expect(await deadlines()).toBe(0);
    await world.pass(5, [first, second]);
    expect(await deadlines()).toBe(2);
    const ended = [await row(first), await row(second)];
    for (const rental of ended) expect(rental).toMatchObject({ status: 'stopping', keepDisk: false, endReason: 'balance_exhausted', endTime: deleteAt });
    const spent = ended.reduce((sum, rental) => sum + rental.settledMicro, 0n);
    const nextSecond = ended.reduce((sum, one) => sum + (one.rateMicroHour * one.billedSeconds + one.storageMicroHour * (one.storedSeconds + 1n)) / 3_600n, 0n);
    expect(spent <= 50_000n && nextSecond > 50_000n).toBe(true);
    expect(await world.prepaid(renter.id)).toBe(50_000n - spent);
    expect((await world.app.call('getBalance', { token: renter.key })).body).toMatchObject({ zero_at: null, burn_usd_per_hour: '0.000000' });
    await lawful();
  });

  it('lasts longer after a top-up, and the node is told', async () => {
    const renter = await world.renter(0.02);
    const nodeId = await node();
    const id = await world.running(renter, `${nodeId}.c1`, { disk_gb: 1 });
    const before = await row(id);
    const reserve = storageReserve(before.storageMicroHour);
    const generation = (await world.db.hostNode.findUniqueOrThrow({ where: { id: nodeId } })).generation;
    await world.pass(100, [id]);
    const operator = await world.app.makeOperator();
    const granted = await world.app.call('grantCredit', { token: operator.token, body: { email: renter.email, amount_usd: '0.02' } });
    expect(granted).toMatchObject({ status: 201, body: { granted_usd: '0.020000', balance_usd: '0.040000' } });
    const after = await row(id);
    const paidFor = (rental: typeof after) => (Number(rental.deadlineAt) - Number(rental.startTime)) / 1_000;
    expect(paidFor(before)).toBe(secondsWithin(before.rateMicroHour, 20_000n - reserve));
    expect(paidFor(after)).toBe(secondsWithin(after.rateMicroHour, 40_000n - reserve));
    expect((await world.db.hostNode.findUniqueOrThrow({ where: { id: nodeId } })).generation).toBe(generation + 1n);
    const { instances } = (await instancesOfNodes(world.db, world.app.app.get(MasterKey), [nodeId], world.clock.now())).get(nodeId) ?? { instances: [], absent: [] };
    expect(instances[0]?.remaining_s).toBe((Number(after.deadlineAt) - world.clock.now().getTime()) / 1_000);
    await world.destroy(renter, id);
    await lawful();
  });

  it('keeps a spend limit and a time limit exactly, however late the ender comes', async () => {
    const renter = await world.renter(25);
    const nodeId = await node();
    const runUntil = new Date(world.clock.now().getTime() + 90_500).toISOString();
    const limited = await world.running(renter, `${nodeId}.c1`, { max_spend_usd: '0.000500', disk_gb: 1 });
    const timed = await world.running(renter, `${nodeId}.c1`, { run_until: runUntil, disk_gb: 1 });
    expect((await world.view(renter, limited)).billing).toMatchObject({ deadline_by: 'spend_limit', max_spend_usd: '0.000500' });
    await world.pass(200, [limited, timed]);
    expect(await deadlines()).toBe(2);
    const [spend, time] = [await row(limited), await row(timed)];
    expect(spend.endReason).toBe('spend_limit');
    expect(spend.settledMicro).toBeLessThanOrEqual(500n);
    expect(costOf(spend.rateMicroHour, Number(spend.billedSeconds) + 1)).toBeGreaterThan(500n);
    expect(time).toMatchObject({ endReason: 'run_until', endTime: new Date(Math.floor(Date.parse(runUntil) / 1_000) * 1_000) });
    await lawful();
  });

  it.each([
    ['run_until', () => ({ run_until: new Date(world.clock.now().getTime() + 60_000).toISOString() })],
    ['spend_limit', () => ({ max_spend_usd: '0.000500' })],
  ] as const)('ends at its %s, and for that reason, when its renter destroys it late and nothing ended it there', async (reason, limit) => {
    const renter = await world.renter(25);
    const id = await world.running(renter, `${await node()}.c1`, limit());
    const { deadlineAt } = await row(id);
    await world.pass((Number(deadlineAt) - world.clock.now().getTime()) / 1_000 + 6, [id]);
    expect((await world.destroy(renter, id)).status).toBe(200);
    const ended = await row(id);
    expect(ended).toMatchObject({ status: 'stopping', endReason: reason, endTime: deadlineAt, stopRequestedAt: deadlineAt });
    expect(ended.billedThrough).toEqual(deadlineAt);
    await lawful();
  });

  it('never settles past a deadline, and a late settlement changes nothing', async () => {
    const renter = await world.renter(25);
    const id = await world.running(renter, `${await node()}.c4`, { max_spend_usd: '0.05' });
    const settler = world.app.app.get(Settler);
    await world.pass(4_000, [id]);
    await settler.settleDue(world.clock.now());
    const limit = await row(id);
    expect(limit.settledMicro).toBeLessThanOrEqual(50_000n);
    await deadlines();
    await settler.settleDue(world.clock.now());
    await settler.settleOf(renter.id, world.clock.now());
    const ended = await row(id);
    expect(ended.endTime).toEqual(ended.deadlineAt);
    expect(ended.billedThrough).toEqual(ended.endTime);
    await lawful();
  });

  it('shows a statement that is settled to now and adds up', async () => {
    const renter = await world.renter(25);
    const id = await world.running(renter, `${await node()}.c4`);
    await world.pass(3_700, [id]);
    const { body } = await world.app.call('listStatement', { token: renter.key, query: { limit: 1 } });
    expect(body.items[0]).toMatchObject({ type: 'DEBIT', kind: 'rental', reference_id: id });
    const second = await world.app.call('listStatement', { token: renter.key, query: { limit: 5, cursor: body.next } });
    expect(second.body).toMatchObject({ items: [{ type: 'CREDIT', kind: 'grant', amount_usd: '25.000000' }], next: null });
    expect((await world.app.call('listStatement', { token: renter.key, query: { rental_id: id } })).body.items).toHaveLength(1);
    await world.destroy(renter, id);
    await lawful();
  });

  it('pays a host for his own machine out of his own pocket, labelled', async () => {
    const renter = await world.renter(25);
    const nodeId = await world.node({ ownerId: renter.id });
    expect((await world.quote(renter, `${nodeId}.c1`)).body).toMatchObject({ offer: { own_node: true }, warnings: expect.arrayContaining([expect.stringContaining('your own machine')]) });
    const id = await world.running(renter, `${nodeId}.c1`);
    await world.pass(1_000, [id]);
    await world.destroy(renter, id);
    const { settledMicro } = await row(id);
    const earnings = await world.db.ledgerAccount.findFirstOrThrow({ where: { ownerId: renter.id, kind: 'earnings' } });
    expect(earnings.balance).toBe(settledMicro);
    expect(await world.prepaid(renter.id)).toBe(25_000_000n - settledMicro);
    await lawful();
  });
});

describe('a silence', () => {
  it('up to 15 s is covered; a longer one is free from its first second, and deadlines move out by it', async () => {
    const renter = await world.renter(25);
    const id = await world.running(renter, `${await node()}.c1`, { max_spend_usd: '0.01' });
    await world.pass(50, [id]);
    world.seconds(15);
    await world.beat([id]);
    const before = await row(id);
    world.seconds(40);
    await world.beat([id]);
    await world.beat([id]);
    const after = await row(id);
    expect(Number(after.deadlineAt) - Number(before.deadlineAt)).toBe(40_000);
    await world.pass(10, [id]);
    await world.destroy(renter, id);
    expect((await row(id)).billedSeconds).toBe(75n);
    expect(await world.db.rentalGap.findMany({ where: { rentalId: id }, select: { cause: true } })).toEqual([{ cause: 'node_silent' }]);
    await lawful();
  });

  it('before an end is not billed: the end is where it began', async () => {
    const renter = await world.renter(25);
    const id = await world.running(renter, `${await node()}.c1`);
    await world.pass(60, [id]);
    world.seconds(300);
    await world.destroy(renter, id);
    expect((await row(id)).billedSeconds).toBe(60n);
    await lawful();
  });

  it('of an hour loses the rental; its claim stays until the machine says it is gone', async () => {
    const renter = await world.renter(25);
    const nodeId = await node();
    const id = await world.running(renter, `${nodeId}.c1`);
    await world.pass(60, [id]);
    const since = world.clock.now();
    world.seconds(3_601);
    const lost = world.app.app.get(LostRentals);
    expect(await lost.markLost(nodeId, since)).toBe(1);
    expect(await lost.markLost(nodeId, since)).toBe(0);
    expect(await world.view(renter, id)).toMatchObject({ status: 'lost', end_reason: 'host_lost', released: false, billing: { billed_seconds: 60 }, actions: [] });
    expect((await world.db.hostNode.findUniqueOrThrow({ where: { id: nodeId } })).reputationScore).toBe(85);
    expect((await world.db.hostNode.findUniqueOrThrow({ where: { id: nodeId } })).cpuUsed).toBe(1);
    await world.report(id, 'gone');
    expect(await world.view(renter, id)).toMatchObject({ status: 'lost', released: true });
    await lawful();
  });

  it('that loses the rental is free from its first second, however soon after a report it is judged', async () => {
    const renter = await world.renter(25);
    const nodeId = await node();
    const id = await world.running(renter, `${nodeId}.c1`);
    await world.pass(60, [id]);
    const since = world.seconds(10);
    world.seconds(3_601);
    await world.app.app.get(LostRentals).markLost(nodeId, since);
    expect(await row(id)).toMatchObject({ status: 'lost', billedSeconds: 60n });
    await lawful();
  });

  it('of another rental leaves the balance for those that run', async () => {
    const renter = await world.renter(0.021);
    const [a, b] = [await world.running(renter, `${await node()}.c1`, { disk_gb: 1 }), await world.running(renter, `${await node()}.c1`, { disk_gb: 1 })];
    const { deadlineAt } = await row(a);
    await world.pass(10, [a, b]);
    while (world.clock.now() < (deadlineAt ?? new Date(0))) await world.pass(5, [b]);
    expect(await deadlines()).toBe(0);
    const later = await row(b);
    expect(Number(later.deadlineAt)).toBeGreaterThan(Number(deadlineAt));
    await world.destroy(renter, a);
    expect((await row(a)).billedSeconds).toBe(10n);
    await world.destroy(renter, b);
    await lawful();
  });
});
