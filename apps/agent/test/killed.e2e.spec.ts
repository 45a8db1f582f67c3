import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceSpec } from '@muster/shared-types';
import { engineObstacle } from '@muster/testkit/engine/engine-place';
import { until } from '@muster/testkit/frp/until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPEN_MS, TestHost } from './support/host.js';

const obstacle = engineObstacle();

describe.skipIf(obstacle !== null)(`a host whose parts are killed${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let host: TestHost;

  beforeAll(async () => {
    host = await TestHost.open();
  }, OPEN_MS);

  afterAll(() => host?.end(), 120_000);

  const remove = async (spec: InstanceSpec): Promise<void> => {
    await host.market.stop(spec, { grace_s: 0 });
    await host.reports(spec, 'gone');
  };
  const isTunnelUp = (spec: InstanceSpec) => host.market.lastBeatOf(spec.rental_id)?.tunnel_up === true;
  const beatsSince = (count: number, spec: InstanceSpec) =>
    host.market.heartbeats.slice(count).flatMap((beat) => beat.instances?.filter((one) => one.rental_id === spec.rental_id) ?? []);

  const killPoints: [string, (spec: InstanceSpec) => Promise<boolean>][] = [
    ['its order is on disk', async () => true],
    ['the container is there', async (spec) => (await host.containers(spec.rental_id)).length > 0],
    ['the container runs', async (spec) => (await host.containers(spec.rental_id))[0]?.state === 'running'],
    ['the tunnel opens', async (spec) => host.market.updatesOf(spec.rental_id).some((update) => update.state === 'tunnelling' || update.state === 'running')],
  ];

  it.each(killPoints)('the agent, when %s: the next one brings it up once, with all that belongs to it', async (_, reached) => {
    const spec = await host.echoSpec({ onstart: 'echo started >> /workspace/started' });
    await host.market.start(spec);
    await until('the moment has come', () => reached(spec));
    await host.killAgent();
    const created = (await host.containers(spec.rental_id)).filter((container) => container.state === 'created');

    host.market.mute = true;
    const beats = host.market.heartbeats.length;
    await host.startAgent({ waits: false });
    await until('the new agent has looked around', () => host.market.heartbeats.length > beats + 3, 60_000);
    // Nothing new starts before the market has said what it wants.
    expect((await host.containers(spec.rental_id)).filter((container) => container.state === 'created')).toEqual(created);
    host.market.mute = false;
    await host.market.sendState();

    await host.reports(spec, 'running');
    const session = await host.session(spec);
    expect(await session.echoes('here')).toBe(true);
    expect(await host.containers(spec.rental_id)).toHaveLength(1);
    await until('onstart has run', () => host.inside(spec, 'cat', '/workspace/started').catch(() => undefined));
    expect(await host.inside(spec, 'cat', '/workspace/started')).toBe('started\n');
    session.close();
    await remove(spec);
  });

  it('the agent, while a session is open: the session stays, the next one adopts', async () => {
    const spec = await host.rent();
    const session = await host.session(spec);
    const { Id: id, State: state } = await host.container(spec);
    await host.killAgent();
    expect(await session.echoes('nobody watches')).toBe(true);
    expect(await (await host.session(spec)).echoes('new ones get in')).toBe(true);
    host.market.updates = [];
    await host.startAgent();
    await host.reports(spec, 'running');
    await until('it is up in heartbeats', () => isTunnelUp(spec));
    expect(await session.echoes('adopted')).toBe(true);
    expect(await host.container(spec)).toMatchObject({ Id: id, State: { StartedAt: state.StartedAt } });
    session.close();
    await remove(spec);
  });

  it('dockerd: instance, session and heartbeats go on, and the host goes on renting', async () => {
    const spec = await host.rent();
    const session = await host.session(spec);
    const { State: state } = await host.container(spec);
    await until('it is up in heartbeats', () => isTunnelUp(spec));
    const beats = host.market.heartbeats.length;
    await host.killDaemon('dockerd');
    expect(await session.echoes('without dockerd')).toBe(true);
    const other = await host.rent();
    expect(await session.echoes('with a new dockerd')).toBe(true);
    expect((await host.container(spec)).State.StartedAt).toBe(state.StartedAt);
    expect(beatsSince(beats, spec).filter((beat) => !beat.tunnel_up)).toEqual([]);
    session.close();
    await Promise.all([remove(spec), remove(other)]);
  });

  it('the agent and dockerd, while an instance is stopped: disk and order outlive both, it starts on them, and never on an empty disk', async () => {
    const spec = await host.rent();
    await host.inside(spec, 'sh', '-c', 'echo kept > /workspace/file; echo lost > /root-file');
    await host.market.stop(spec, { keep_disk: true });
    await host.killAgent();
    await host.startAgent({ waits: false });
    await host.reports(spec, 'stopped');
    host.market.updates = [];
    await Promise.all([host.killAgent(), host.killDaemon('dockerd')]);
    // A market that has forgotten the rental orders nothing of it: the order to keep its disk is on the machine.
    host.market.absent.delete(spec.rental_id);
    await host.startAgent();
    await host.reports(spec, 'stopped');
    const beat = await until('heartbeats speak of its disk', () => host.market.lastBeatOf(spec.rental_id));
    expect(beat).toMatchObject({ state: 'stopped', tunnel_up: false, disk_s: expect.any(Number) });
    expect([await host.containers(spec.rental_id), host.hasDisk(spec)]).toEqual([[], true]);

    const again = { ...spec, epoch: 2, disk_kept: true };
    await host.market.start(again);
    await host.reports(again, 'running');
    expect(await host.inside(again, 'cat', '/workspace/file')).toBe('kept\n');
    await expect(host.inside(again, 'cat', '/root-file')).rejects.toThrow();
    await remove(again);

    const diskless = await host.echoSpec({ epoch: 2, disk_kept: true });
    await host.market.start(diskless);
    expect(await host.reports(diskless, 'failed')).toMatchObject({ fault: { code: 'disk_lost' } });
    expect(host.hasDisk(diskless)).toBe(false);
    await remove(diskless);
  });

  it('the agent together with an engine that does not come up: the next agent speaks, keeps tunnels, and goes on when it does', { timeout: 300_000 }, async () => {
    const spec = await host.rent();
    const session = await host.session(spec);
    const dockerd = join(host.place.musterHome, 'bin', 'dockerd');
    await symlink('/bin/false', dockerd);
    await host.killAgent();
    await Promise.all([host.killDaemon('dockerd'), host.killDaemon('containerd')]);
    const beats = host.market.heartbeats.length;
    await host.startAgent({ images: false });
    await until('heartbeats', () => host.market.heartbeats.length > beats + 2);
    expect(await session.echoes('nobody but frpc')).toBe(true);
    expect(host.market.updatesOf(spec.rental_id).filter((update) => update.state === 'gone' || update.state === 'exited')).toEqual([]);
    const wanted = await host.echoSpec();
    await host.market.start(wanted);
    await until('it is given up', () => host.market.updatesOf(wanted.rental_id).some((update) => update.fault?.code === 'engine_down'), 90_000);

    await rm(dockerd);
    await until('it is up in heartbeats', () => isTunnelUp(spec), 150_000);
    expect(await session.echoes('and after it')).toBe(true);
    session.close();
    await Promise.all([remove(spec), remove(wanted)]);
    await remove(await host.rent());
  });

  it('frpc: back on the same port, and the time it was up counts anew', async () => {
    const spec = await host.rent();
    await until('it has been up for a while', () => (host.market.lastBeatOf(spec.rental_id)?.up_s ?? 0) > 2);
    const session = await host.session(spec);
    const before = await host.frpcPid();
    process.kill(before, 'SIGKILL');
    await until('the session is cut', () => session.closed);
    const again = await host.session(spec);
    expect(await again.echoes('again')).toBe(true);
    expect(await host.frpcPid()).not.toBe(before);
    const beats = host.market.heartbeats.length;
    await until('it is up again in heartbeats', () => beatsSince(beats, spec).some((beat) => beat.tunnel_up));
    expect((host.market.lastBeatOf(spec.rental_id)?.up_s ?? 0)).toBeLessThan(host.market.heartbeats.at(-1)?.up_s ?? 0);
    again.close();
    await remove(spec);
  });

  it('frps: the tunnel is down in heartbeats until it is back, then up from zero', async () => {
    const spec = await host.rent();
    await until('it has been up for a while', () => (host.market.lastBeatOf(spec.rental_id)?.up_s ?? 0) > 2);
    const upBefore = host.market.lastBeatOf(spec.rental_id)?.up_s ?? 0;
    await host.tunnelServer.frps.signal('SIGKILL');
    await until('it is down in heartbeats', () => host.market.lastBeatOf(spec.rental_id)?.tunnel_up === false);
    expect(host.market.lastBeatOf(spec.rental_id)).toMatchObject({ state: 'running', up_s: 0 });
    const beats = host.market.heartbeats.length;
    await host.tunnelServer.startFrps();
    const session = await host.session(spec);
    await until('it is up in heartbeats', () => isTunnelUp(spec));
    expect(beatsSince(beats, spec).find((beat) => beat.tunnel_up)?.up_s).toBeLessThan(upBefore);
    session.close();
    await remove(spec);
  });
});
