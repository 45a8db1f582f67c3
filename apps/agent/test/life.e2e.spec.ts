import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineObstacle } from '@muster/testkit/engine/engine-place';
import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import { TEST_IMAGE } from '@muster/testkit/engine/test-image';
import { until } from '@muster/testkit/frp/until';
import { workspaceImages } from '@muster/testkit/engine/workspace-image';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NOTHING, OPEN_MS, TestHost } from './support/host.js';
import { makeSshKeys, ssh, type SshKeys, SshSession } from './support/ssh.js';

const obstacle = engineObstacle();
const images = workspaceImages();
const noImage = obstacle ?? (images === null ? 'needs the image workspace' : null);

describe.skipIf(obstacle !== null)(`a host from enrolment to its end${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let host: TestHost;
  let folder: string;
  let keys: SshKeys;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-keys-'));
    [host, keys] = await Promise.all([TestHost.open({ ...(images && { imagesDir: images }), env: { MUSTER_AGENT_NAME: 'the-test-host', MUSTER_AGENT_GEOLOCATION: 'DE' } }), makeSshKeys(folder)]);
  }, OPEN_MS);

  afterAll(async () => {
    await host?.end();
    await rm(folder, { recursive: true, force: true });
  }, 120_000);

  const sshSpec = async () =>
    testInstanceSpec({
      image: 'muster/workspace',
      resource_limits: { gpu_indices: [], gpu_uuids: [], cpu_cores: 1, ram_limit: '1g' },
      proxy_port_mapping: { '22': await host.port() },
      ssh: { authorized_keys: [keys.authorizedKey], host_private_key: keys.hostPrivateKey },
      onstart: 'echo ran >> /workspace/onstart',
    });

  it('enrols once under its own key, says what it is, and is listed unless told otherwise', async () => {
    expect(host.market.enrolments).toHaveLength(1);
    expect(host.market.enrolments[0]).toMatchObject({ name: 'the-test-host', geolocation: 'DE', list: true, inventory: { docker: { userns: true }, gpus: [] } });
    const beat = await until('a heartbeat knows the desired state', () => host.market.heartbeats.find((one) => one.generation === 1));
    expect(beat).toMatchObject({ node_id: host.market.nodeId, status: 'online', instances: [] });
  });

  it.skipIf(noImage !== null)(`is rented, reached by SSH, and destroyed${noImage === null ? '' : ` (${noImage})`}`, async () => {
    const spec = await sshSpec();
    expect(await host.market.start(spec)).toEqual({ ok: true });
    const running = await host.reports(spec, 'running');
    const states = host.market.updatesOf(spec.rental_id).map((update) => update.state);
    // It is `queued` for as long as the pass before it still runs: seen or not.
    expect([...new Set(states)].filter((state) => state !== 'queued')).toEqual(['creating', 'tunnelling', 'running']);
    expect(running).toMatchObject({ epoch: 1, container_id: (await host.container(spec)).Id });
    expect(running.phase_ms).toMatchObject({ creating: expect.any(Number), tunnelling: expect.any(Number) });

    const port = spec.proxy_port_mapping['22'] ?? 0;
    expect(await until('SSH answers', () => ssh(keys, port, 'hostname'), 60_000)).toContain('muster-');
    expect(await until('onstart has run', () => ssh(keys, port, 'cat', '/workspace/onstart'))).toBe('ran\n');
    const session = await SshSession.open(keys, port);
    await until('the session is in', () => session.output.includes('in'));
    await until('it is up in heartbeats', () => host.market.lastBeatOf(spec.rental_id)?.tunnel_up);
    expect(host.market.heartbeats.at(-1)?.status).toBe('busy');

    await host.market.stop(spec);
    const askedMs = performance.now();
    await until('the session is cut', () => !session.isOpen);
    expect(performance.now() - askedMs).toBeLessThan(3_000);
    expect(await host.reports(spec, 'gone')).toMatchObject({ epoch: 1 });
    expect(await host.containers()).toEqual([]);
    expect(host.hasDisk(spec)).toBe(false);
    expect(await ssh(keys, port, 'true')).toBeUndefined();
  });

  it.skipIf(noImage !== null)(`goes with SIGTERM and leaves tunnels, instances and sessions as they are${noImage === null ? '' : ` (${noImage})`}`, async () => {
    const spec = await sshSpec();
    await host.market.start(spec);
    await host.reports(spec, 'running');
    const port = spec.proxy_port_mapping['22'] ?? 0;
    await until('SSH answers', () => ssh(keys, port, 'true').then((output) => output !== undefined), 60_000);
    const session = await SshSession.open(keys, port);
    await until('the session is in', () => session.output.includes('in'));

    await host.agent?.signal('SIGTERM');
    expect(host.market.goodbyes).toEqual(['SIGTERM']);
    session.say('after the agent');
    await until('the session goes on', () => session.output.includes('after the agent'));
    expect(await ssh(keys, port, 'echo', 'new')).toBe('new\n');

    await host.startAgent();
    await host.reports(spec, 'running');
    expect(await host.inside(spec, 'cat', '/workspace/onstart')).toBe('ran\n');
    expect(host.market.enrolments).toHaveLength(1);
    session.close();
    await host.market.stop(spec, { grace_s: 0 });
    await host.reports(spec, 'gone');
  });

  it('says that the machine shuts down when it takes its instances along, and leaves nothing', async () => {
    await host.agent?.signal('SIGTERM');
    await host.startAgent({ env: { MUSTER_AGENT_STOP_ENGINE: 'true' } });
    const spec = await host.rent({ image: images ? 'muster/workspace' : TEST_IMAGE, command: ['/bin/sh', '-c', 'exec sleep 3600'] });
    await host.agent?.signal('SIGTERM');
    expect(host.market.goodbyes.at(-1)).toBe('host_shutdown');
    expect(host.market.updatesOf(spec.rental_id).map((update) => update.state)).toContain('gone');
    expect(await host.remains()).toEqual(NOTHING);
  });
});
