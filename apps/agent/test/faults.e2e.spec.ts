import { readdir, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { InstanceFault, InstanceSpec } from '@muster/shared-types';
import { engineObstacle } from '@muster/testkit/engine/engine-place';
import { startTestRegistry, type TestRegistry } from '@muster/testkit/engine/test-registry';
import { until } from '@muster/testkit/frp/until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { OPEN_MS, TestHost } from './support/host.js';

const obstacle = engineObstacle();
const SSH = { authorized_keys: [], host_private_key: 'no key at all' };
const IDLE = ['/bin/sh', '-c', "trap 'exit 0' TERM; sleep 3600 & wait"];

describe.skipIf(obstacle !== null)(`instances that cannot be had${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let host: TestHost;
  let registry: TestRegistry;
  /** Its image promises SSH and has none; it is looked at again when its time is over. */
  let silent: InstanceSpec;

  beforeAll(async () => {
    host = await TestHost.open({ poolGb: 7 });
    const tar = (await readdir(host.imagesDir)).find((file) => file.endsWith('.tar')) ?? '';
    registry = await startTestRegistry(join(host.imagesDir, tar), { fillerBytes: 32 * 2 ** 20, delayMs: 20 });
    silent = await host.echoSpec({ ssh: SSH, proxy_port_mapping: { '22': await host.port() }, command: IDLE });
    await host.market.start(silent);
  }, OPEN_MS);

  afterAll(async () => {
    await host?.end();
    await registry?.close();
  }, 120_000);

  const remove = async (spec: InstanceSpec): Promise<void> => {
    await host.market.stop(spec, { grace_s: 0 });
    await host.reports(spec, 'gone');
    expect(await host.containers(spec.rental_id)).toEqual([]);
    expect(host.hasDisk(spec)).toBe(false);
  };
  /** Never reported running; the fault it was given up with. */
  const failsWith = async (spec: InstanceSpec): Promise<InstanceFault | undefined> => {
    const { fault } = await host.reports(spec, 'failed', 90_000);
    expect(host.market.updatesOf(spec.rental_id).map((update) => update.state)).not.toContain('running');
    return fault;
  };

  it('an image whose command ends at once: with its exit code and last words', async () => {
    const spec = await host.echoSpec({ command: ['/bin/sh', '-c', 'echo no licence found; exit 3'] });
    await host.market.start(spec);
    expect(await failsWith(spec)).toMatchObject({ code: 'exited_at_once', exit_code: 3, message: expect.stringContaining('no licence found') });
    await remove(spec);
  });

  it('an image that is not there, at a registry that is not there either', async () => {
    const specs = await Promise.all([`${registry.host}/missing/image:1`, 'no-such-host.invalid/image:1', 'muster/none:latest'].map((image) => host.echoSpec({ image })));
    for (const spec of specs) await host.market.start(spec);
    const faults = await Promise.all(specs.map(failsWith));
    expect(faults).toMatchObject([
      { code: 'image_pull_failed', message: expect.stringContaining('no such image or tag') },
      { code: 'image_pull_failed', message: expect.stringContaining('could not be reached') },
      { code: 'image_pull_failed', message: expect.stringContaining('muster/none') },
    ]);
    for (const spec of specs) await remove(spec);
  });

  it('a pull is told with its progress and stopped by an order', async () => {
    const spec = await host.echoSpec({ image: `${registry.host}/big/image:1` });
    await host.market.start(spec);
    await until('bytes come', () => host.market.updatesOf(spec.rental_id).some((update) => (update.progress?.current_bytes ?? 0) > 0));
    await remove(spec);
    const sent = registry.sentBytes();
    await host.rent().then(remove);
    expect(registry.sentBytes() - sent).toBeLessThan(2 * 2 ** 20);
    expect(registry.sentBytes()).toBeLessThan(32 * 2 ** 20);
  });

  it('a disk that is larger than what is left', async () => {
    const spec = await host.echoSpec({ disk_gb: 50 });
    await host.market.start(spec);
    expect(await failsWith(spec)).toMatchObject({ code: 'disk_full' });
    await remove(spec);
  });

  it('one that fills the host outside /workspace ends with its reason, and its neighbour notices nothing', async () => {
    const [greedy, neighbour] = [await host.rent(), await host.rent()];
    const session = await host.session(neighbour);
    const filling = host.inside(greedy, 'dd', 'if=/dev/zero', 'of=/filler', 'bs=1M').catch(() => 'ended');
    expect(await host.reports(greedy, 'exited', 90_000)).toMatchObject({ fault: { code: 'root_disk_overrun', message: expect.stringContaining('/workspace') } });
    await filling;
    expect(await session.echoes('undisturbed')).toBe(true);
    expect(await host.inside(neighbour, 'sh', '-c', 'echo fine > /root/file && cat /root/file')).toBe('fine\n');
    session.close();
    await remove(greedy);
    await remove(neighbour);
  });

  it('a template that promises SSH and has none', async () => {
    const over = await until('it is given up', () => host.market.updatesOf(silent.rental_id).find((update) => update.fault), 90_000);
    expect(over.fault).toMatchObject({ code: 'port_not_answering', message: expect.stringContaining('port 22') });
    await remove(silent);
  });

  it('an engine that is dead and does not come back; what runs goes on', async () => {
    const running = await host.rent();
    const session = await host.session(running);
    const dockerd = join(host.place.musterHome, 'bin', 'dockerd');
    await symlink('/bin/false', dockerd);
    await host.killDaemon('dockerd');
    const spec = await host.echoSpec();
    await host.market.start(spec);
    expect(await failsWith(spec)).toMatchObject({ code: 'engine_down' });
    expect(await session.echoes('without an engine')).toBe(true);
    expect(host.market.updatesOf(running.rental_id).filter((update) => update.fault)).toEqual([]);

    await rm(dockerd);
    await remove(spec);
    await remove(running);
    expect(session.closed).toBe(true);
  });
});
