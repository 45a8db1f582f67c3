import type { InstanceSpec } from '@muster/shared-types';
import { engineObstacle } from '@muster/testkit/engine/engine-place';
import type { EchoClient } from '@muster/testkit/frp/echo-server';
import { until } from '@muster/testkit/frp/until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPEN_MS, TestHost } from './support/host.js';

const obstacle = engineObstacle();
/** Access ends this long after the deadline at the latest. */
const CUT_WITHIN_MS = 3_000;

describe.skipIf(obstacle !== null)(`a host without its market${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let host: TestHost;

  beforeAll(async () => {
    host = await TestHost.open();
  }, OPEN_MS);

  afterAll(() => host?.end(), 120_000);

  const remove = async (spec: InstanceSpec): Promise<void> => {
    await host.market.stop(spec, { grace_s: 0 });
    await host.reports(spec, 'gone');
    expect(host.hasDisk(spec)).toBe(false);
  };
  const goAway = async (): Promise<void> => {
    await host.market.close();
    await host.tunnelServer.backend.close();
  };
  const comeBack = async (): Promise<void> => {
    const { proofs } = host.market;
    await host.tunnelServer.backend.open();
    await host.market.open();
    await until('the node is back', () => host.market.proofs > proofs, 60_000);
  };
  /** Starts an instance that may go on for so long; `performance.now()` of its deadline. */
  const rentFor = async (remainingS: number): Promise<{ spec: InstanceSpec; session: EchoClient; deadlineMs: number }> => {
    const spec = await host.echoSpec();
    await host.market.start(spec);
    await host.reports(spec, 'running');
    const session = await host.session(spec);
    host.market.generation += 1;
    const limited = { ...spec, remaining_s: remainingS };
    host.market.instances.set(spec.rental_id, limited);
    await host.market.sendState();
    return { spec: limited, session, deadlineMs: performance.now() + remainingS * 1000 };
  };
  const expectCutAt = async (session: EchoClient, deadlineMs: number): Promise<void> => {
    expect(await session.echoes('still in')).toBe(true);
    await until('the session is cut', () => session.closed);
    const lateMs = performance.now() - deadlineMs;
    expect(lateMs).toBeGreaterThan(-500);
    expect(lateMs).toBeLessThan(CUT_WITHIN_MS);
  };

  it('ends an instance at its deadline, keeps its disk, and says so when the market is back', async () => {
    const { spec, session, deadlineMs } = await rentFor(5);
    await goAway();
    await expectCutAt(session, deadlineMs);
    await until('the container has ended', async () => (await host.containers(spec.rental_id))[0]?.state === 'exited');
    expect(host.hasDisk(spec)).toBe(true);
    await comeBack();
    expect(await host.reports(spec, 'exited')).toMatchObject({ fault: { code: 'deadline' } });
    await remove(spec);
  });

  it('keeps the deadline also when the agent was killed and started again in the meantime', async () => {
    const { spec, session, deadlineMs } = await rentFor(12);
    await goAway();
    await host.killAgent();
    await host.startAgent({ waits: false });
    await expectCutAt(session, deadlineMs);
    await comeBack();
    expect(await host.reports(spec, 'exited')).toMatchObject({ fault: { code: 'deadline' } });
    await remove(spec);
  });

  it('counts the lease only while the tunnel is away too', async () => {
    const leaseS = 3;
    const spec = await host.rent({ lease_s: leaseS });
    const session = await host.session(spec);
    await goAway();
    const awayMs = performance.now();
    await until('the lease would have been over twice', () => performance.now() - awayMs > 2_000 * leaseS);
    expect(await session.echoes('the tunnel is up')).toBe(true);
    expect((await host.container(spec)).State.Running).toBe(true);
    await host.tunnelServer.frps.signal('SIGKILL');
    await until('the container has ended', async () => (await host.containers(spec.rental_id))[0]?.state === 'exited');
    expect(host.hasDisk(spec)).toBe(true);
    await comeBack();
    await host.tunnelServer.startFrps();
    expect(await host.reports(spec, 'exited')).toMatchObject({ fault: { code: 'lease_ended' } });
    await remove(spec);
  });

  it('deletes nothing for a market that lost its memory, and everything for the right one that says so', async () => {
    const spec = await host.rent();
    const session = await host.session(spec);
    const entry = { rental_id: spec.rental_id, epoch: spec.epoch, reason: 'destroyed', grace_s: 0, keep_disk: false };
    const { generation } = host.market;
    host.market.instances.clear();

    const stale = { ok: false, problem: expect.objectContaining({ code: 'stale_message' }) };
    expect(await host.market.sendState({ cluster_id: spec.rental_id, absent: [entry] })).toEqual(stale);
    expect(await host.market.sendState({ generation: generation - 1, absent: [entry] })).toEqual(stale);
    expect(await host.market.send('stop_instance', { ...entry, generation: generation - 1 })).toEqual(stale);
    expect(await host.market.sendState({ generation: generation + 1 })).toEqual({ ok: true });
    host.market.generation = generation + 1;
    await host.killAgent();
    await host.startAgent();
    await until('heartbeats still name it', () => host.market.lastBeatOf(spec.rental_id)?.tunnel_up);
    expect(await session.echoes('kept')).toBe(true);
    expect((await host.container(spec)).State.Running).toBe(true);

    host.market.absent.set(spec.rental_id, entry);
    expect(await host.market.sendState({ generation: generation + 2 })).toEqual({ ok: true });
    host.market.generation = generation + 2;
    await host.reports(spec, 'gone');
    await until('the session is cut', () => session.closed);
    expect(await host.containers(spec.rental_id)).toEqual([]);
    expect(host.hasDisk(spec)).toBe(false);
  });

  it('dials again after the market has ended its socket and refused the next', async () => {
    const { proofs } = host.market;
    host.market.refuse = 'unavailable';
    host.market.drop('unavailable');
    await until('it has been refused', () => host.agent?.output.includes('cannot be reached'));
    host.market.refuse = undefined;
    await until('it is back', () => host.market.proofs > proofs);
    const spec = await host.rent();
    await remove(spec);
  });
});
