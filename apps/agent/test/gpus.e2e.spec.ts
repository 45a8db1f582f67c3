import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { engineObstacle } from '@muster/testkit/engine/engine-place';
import { until } from '@muster/testkit/frp/until';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gpuXml, smiXml } from '../src/inventory/smi-fixtures.js';
import { OPEN_MS, TestHost } from './support/host.js';

const obstacle = engineObstacle();
const UUIDS = Array.from({ length: 8 }, (_, index) => `GPU-${String(index).repeat(8)}-aaaa-bbbb-cccc-dddddddddddd`);

// What a device really isolates can only be seen with a GPU: here, that each container is given exactly its own.
describe.skipIf(obstacle !== null)(`a host with eight stand-in GPUs${obstacle === null ? '' : ` (${obstacle})`}`, { timeout: 120_000 }, () => {
  let host: TestHost;
  let folder: string;

  const show = (uuids: readonly string[]): Promise<void> => writeFile(join(folder, 'report.xml'), smiXml(uuids.map((uuid) => gpuXml({ uuid }))));
  const gpusNow = () => host.market.inventories.at(-1)?.gpus.map((gpu) => gpu.uuid);

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-smi-'));
    const smi = join(folder, 'nvidia-smi');
    await show(UUIDS);
    await writeFile(smi, `#!/bin/sh\ncase "$*" in *-x*) exec cat ${join(folder, 'report.xml')};; esac\nexit 6\n`, { mode: 0o755 });
    host = await TestHost.open({ gpus: true, poolGb: 8, env: { MUSTER_NVIDIA_SMI: smi, MUSTER_AGENT_UNSAFE_GPU_RUNTIME: 'warn' } });
  }, OPEN_MS);

  afterAll(async () => {
    await host?.end();
    await rm(folder, { recursive: true, force: true });
  }, 120_000);

  it('lists them all', () => {
    expect(gpusNow()).toEqual(UUIDS);
    expect(host.market.inventories.at(-1)?.gpus[0]).toMatchObject({ name: 'RTX 4090', gpu_ram_mb: 24_564, state: 'ok' });
  });

  it('gives each instance exactly its own, whatever its tenant asks for', async () => {
    const rent = (uuids: string[]) =>
      host.rent({
        resource_limits: { gpu_indices: [], gpu_uuids: uuids, cpu_cores: 0.5, ram_limit: '128m' },
        env_vars: { NVIDIA_VISIBLE_DEVICES: 'all', nvidia_visible_devices: 'all', LD_PRELOAD: '/evil.so', OWN: 'kept' },
      });
    const shares = [UUIDS.slice(0, 1), UUIDS.slice(1, 3), UUIDS.slice(4)];
    const specs = await Promise.all([...shares, []].map(rent));
    const seen = await Promise.all(specs.map(async (spec) => (await host.inside(spec, 'cat', '/proc/1/environ')).split('\0')));
    const devices = seen.map((env) => env.filter((entry) => entry.toUpperCase().startsWith('NVIDIA_VISIBLE_DEVICES=')));
    expect(devices).toEqual([...shares.map((share) => [`NVIDIA_VISIBLE_DEVICES=${share.join(',')}`]), ['NVIDIA_VISIBLE_DEVICES=void']]);
    for (const env of seen) {
      expect(env).toContain('OWN=kept');
      expect(env.filter((entry) => entry.startsWith('LD_PRELOAD'))).toEqual([]);
    }
    for (const spec of specs) await host.market.stop(spec, { grace_s: 0 });
    await Promise.all(specs.map((spec) => host.reports(spec, 'gone')));
  });

  it('tells the market at once when one is no longer there', async () => {
    await show(UUIDS.slice(0, 7));
    await until('the inventory says so', () => host.market.inventories.at(-1)?.gpus.some((gpu) => gpu.uuid === UUIDS[7] && gpu.state !== 'ok') || gpusNow()?.length === 7, 40_000);
  });
});
