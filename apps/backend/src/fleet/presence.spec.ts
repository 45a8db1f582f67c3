import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { makeRunningRental } from '../../test/market-fixtures.js';
import { plainHeartbeat, SimulatedAgent } from '../../test/simulated-agent.js';
import { ControlOutage } from '../agents/control-outage.js';
import { FakeClock } from '../platform/clock.js';
import { Redis } from '../platform/redis.js';
import { reliabilityOf } from './reliability.js';
import { PresenceSweeper } from './sweeper.js';

const START = new Date('2026-03-01T12:00:00Z');
const deadline = (what: string) => ({ what, deadlineMs: 15_000 });

// Without the role `scheduler` nothing sweeps by itself: each pass is made here, at the fake clock's time.
describe('presence', () => {
  const clock = new FakeClock(START);
  let app: TestApp;
  let owner: TestAccount;
  let hostKey: string;
  let sweeper: PresenceSweeper;

  beforeAll(async () => {
    app = await createTestApp({ clock, env: { MUSTER_ROLES: 'api,gateway' } });
    sweeper = app.app.get(PresenceSweeper);
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    // Past the grace of any outage of the test before; a day later, so that reputation counts anew.
    clock.advance(26 * 3_600_000);
    owner = await app.signUp();
    hostKey = (await app.makeKey(owner, { kind: 'host' })).key;
  });

  const beat = async (agent: SimulatedAgent): Promise<void> => {
    const { status } = await app.call('heartbeat', { token: hostKey, params: { node_id: agent.nodeId }, body: plainHeartbeat(agent.nodeId) });
    expect(status).toBe(200);
    // As if it had come over the socket: over HTTP a node has 90 s.
    await app.app.get(Redis).client.srem('presence:http', agent.nodeId);
  };
  const online = async (): Promise<SimulatedAgent> => {
    const agent = await SimulatedAgent.enrol(app, owner, { hostKey });
    await beat(agent);
    return agent;
  };
  const node = (agent: SimulatedAgent) => app.db.client.hostNode.findUniqueOrThrow({ where: { id: agent.nodeId } });
  const downtimes = (agent: SimulatedAgent) => app.db.client.nodeDowntime.findMany({ where: { nodeId: agent.nodeId }, orderBy: { fromAt: 'asc' } });
  const after = async (seconds: number): Promise<void> => {
    clock.advance(seconds * 1000);
    await sweeper.pass();
  };
  const events = (agent: SimulatedAgent, name: string) => app.db.client.outboxEvent.count({ where: { aggregateId: agent.nodeId, name } });

  it('calls a node unreachable after 15 s, offline after 120 s, online with the next heartbeat', async () => {
    const agent = await online();
    const beatAt = clock.now();
    await after(15);
    expect((await node(agent)).presence).toBe('online');
    await after(1);
    expect(await node(agent)).toMatchObject({ presence: 'unreachable', status: 'unreachable', reputationScore: 100 });
    await after(103);
    expect((await node(agent)).presence).toBe('unreachable');
    await after(1);
    expect(await node(agent)).toMatchObject({ presence: 'offline', status: 'offline', reputationScore: 80 });
    expect(await events(agent, 'NodeOffline')).toBe(1);
    clock.advance(60_000);
    const backAt = clock.now();
    await beat(agent);
    expect(await node(agent)).toMatchObject({ presence: 'online', status: 'online' });
    expect((await downtimes(agent)).at(-1)).toMatchObject({ fromAt: beatAt, toAt: backAt });
    expect(await events(agent, 'NodeOnline')).toBe(2);
    const parts = (await reliabilityOf(app.db.client, [agent.nodeId], clock.now())).get(agent.nodeId);
    expect(parts).toMatchObject({ down_minutes: 3, minutes: 3, starts_ok: 0, starts_failed: 0 });
    expect(parts?.reliability).toBeCloseTo(10 / 13, 6);
  });

  it('takes reputation for going offline once a day', async () => {
    const agent = await online();
    for (let time = 0; time < 3; time += 1) {
      await after(130);
      await beat(agent);
    }
    expect((await node(agent)).reputationScore).toBe(80);
    clock.advance(24 * 3_600_000);
    await beat(agent);
    await after(130);
    expect((await node(agent)).reputationScore).toBe(60);
  });

  it('gives a node that speaks only HTTP 90 s', async () => {
    const agent = await SimulatedAgent.enrol(app, owner, { hostKey });
    await app.call('heartbeat', { token: hostKey, params: { node_id: agent.nodeId }, body: plainHeartbeat(agent.nodeId) });
    await after(90);
    expect((await node(agent)).presence).toBe('online');
    await after(1);
    expect((await node(agent)).presence).toBe('unreachable');
  });

  it('holds nothing against a node within the grace of a restart, and counts only its own silence after it', async () => {
    const agent = await online();
    const lastBeat = clock.now();
    clock.advance(7_200_000);
    await app.app.get(ControlOutage).boot();
    const backAt = clock.now();
    await after(59);
    expect((await node(agent)).presence).toBe('online');
    await after(1);
    expect(await node(agent)).toMatchObject({ presence: 'unreachable', reputationScore: 100 });
    expect((await downtimes(agent)).at(-1)?.fromAt).toEqual(backAt);
    expect(backAt.getTime() - lastBeat.getTime()).toBe(7_200_000);
    await after(60);
    expect((await node(agent)).presence).toBe('offline');
  });

  it('takes FLUSHALL for an outage of its own and knows every node again', async () => {
    const agents = [await online(), await online()];
    const silent = agents[1];
    const outage = app.app.get(ControlOutage);
    await outage.tick();
    clock.advance(4_000);
    await app.app.get(Redis).client.flushall();
    await outage.tick();
    expect(outage.inGrace(clock.now())).toBe(true);
    expect((await app.db.client.controlPlaneOutage.findFirstOrThrow({ orderBy: { toAt: 'desc' } })).cause).toBe('redis_lost');
    await sweeper.compare();
    await after(59);
    for (const agent of agents) expect((await node(agent)).presence).toBe('online');
    if (agents[0]) await beat(agents[0]);
    await after(2);
    expect(silent && (await node(silent)).presence).toBe('unreachable');
    expect(agents[0] && (await node(agents[0])).presence).toBe('online');
    expect(outage.inGrace(clock.now())).toBe(false);
  });

  it('gives up a host after 60 minutes: its rental is lost and ends where the silence began', async () => {
    const agent = await online();
    const started = clock.now();
    const rentalId = await makeRunningRental(app.db.client, { renterId: owner.id, nodeId: agent.nodeId, rateMicroHour: 3_600_000n, startTime: started });
    await after(30);
    await after(100);
    for (let pass = 0; pass < 6; pass += 1) await after(570);
    const rental = () => app.db.client.rental.findUniqueOrThrow({ where: { id: rentalId } });
    expect((await rental()).status).toBe('running');
    clock.advance(60_000);
    for (let pass = 0; pass < 5; pass += 1) await sweeper.pass();
    expect(await rental()).toMatchObject({ status: 'lost', endReason: 'host_lost', billedSeconds: 0n });
    // −20 for going offline, −15 for the rental; the claim stays until the node says that the container is gone.
    expect(await node(agent)).toMatchObject({ presence: 'offline', reputationScore: 65, cpuUsed: 1 });
  });

  it('ends the rentals of a node that is retired by force, and refuses to retire it without', async () => {
    const agent = await online();
    const rentalId = await makeRunningRental(app.db.client, { renterId: owner.id, nodeId: agent.nodeId, rateMicroHour: 1n, startTime: clock.now() });
    const retire = (force: boolean) => app.call('retireNode', { token: owner.token, params: { node_id: agent.nodeId }, body: { force } });
    expect((await retire(false)).body).toMatchObject({ code: 'action_not_allowed', facts: { active_rentals: '1' } });
    expect((await retire(true)).body).toMatchObject({ lifecycle: 'retired', actions: [] });
    expect(await app.db.client.rental.findUniqueOrThrow({ where: { id: rentalId } })).toMatchObject({ status: 'stopping', endReason: 'host_retired' });
    // It is heard until its last container is reported gone.
    await agent.connect();
    expect(agent.payloads('desired_state').at(-1)).toMatchObject({ instances: [], absent: [{ rental_id: rentalId }] });
    await waitFor(async () => (await app.db.client.rental.findUniqueOrThrow({ where: { id: rentalId } })).releasedAt !== null, deadline('the release'));
    agent.close();
  });

  it('keeps sockets and nacks heartbeats while Redis is away, and goes on after it', async () => {
    const agent = await SimulatedAgent.enrol(app, owner, { hostKey });
    await agent.connect();
    await agent.beat();
    await app.redis.kill();
    await waitFor(() => app.app.get(Redis).client.status !== 'ready', deadline('the loss to be seen'));
    expect(await agent.beat()).toMatchObject({ ok: false, problem: { code: 'unavailable', retryable: true } });
    await app.app.get(ControlOutage).tick();
    expect(app.app.get(ControlOutage).inGrace(clock.now())).toBe(true);
    await app.redis.restart();
    await waitFor(() => app.app.get(Redis).client.status === 'ready', deadline('Redis to be back'));
    await app.app.get(ControlOutage).tick();
    expect(agent.connected).toBe(true);
    expect((await agent.beat()).ok).toBe(true);
    expect((await node(agent)).presence).toBe('online');
    agent.close();
  });
});
