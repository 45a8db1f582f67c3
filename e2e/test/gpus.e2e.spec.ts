import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gpuXml, smiXml } from '@muster/agent/inventory/smi-fixtures';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Market } from './support/market.js';
import { needs, obstacle } from './support/obstacle.js';
import { expectExactBill, overSsh, Renter } from './support/renter.js';
import { until } from './support/until.js';

const OPEN_MS = 300_000;
const UUIDS = Array.from({ length: 8 }, (_, index) => `GPU-${String(index).repeat(8)}-aaaa-bbbb-cccc-dddddddddddd`);
const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** A stand-in `nvidia-smi` that reports eight devices, and a stand-in runtime hook that lets dockerd take requests for them. */
async function standIns(home: string): Promise<Record<string, string>> {
  const folder = join(home, 'stand-ins');
  const report = join(folder, 'report.xml');
  await mkdir(folder);
  await writeFile(report, smiXml(UUIDS.map((uuid) => gpuXml({ uuid, process: null }))));
  await writeFile(join(folder, 'nvidia-smi'), `#!/bin/sh\ncase "$*" in *-x*) exec cat ${report};; esac\nexit 6\n`, { mode: 0o755 });
  await writeFile(join(folder, 'nvidia-container-runtime-hook'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  return { MUSTER_NVIDIA_SMI: join(folder, 'nvidia-smi'), MUSTER_AGENT_PATH: `${folder}:${PATH}`, MUSTER_AGENT_UNSAFE_GPU_RUNTIME: 'warn' };
}

describe.skipIf(obstacle !== null)(`a host with eight stand-in GPUs (which device a container may really touch is not proven without one)${needs}`, { timeout: 180_000 }, () => {
  let market: Market;
  let renters: Renter[];

  beforeAll(async () => {
    market = await Market.open({ poolGb: 20, prepare: standIns });
    renters = await Promise.all(['20', '20', '20'].map((usd) => Renter.signUp(market, usd)));
  }, OPEN_MS);

  afterAll(async () => {
    await market?.close();
  }, OPEN_MS);

  const chunks = async (): Promise<number[]> => (await renters[0]!.offers()).map((offer) => offer.num_gpus).toSorted((a, b) => a - b);
  const rentChunk = (renter: Renter, count: number) => renter.rentRunning({ offer: (offer) => offer.num_gpus === count });

  /** What the container itself was given, through plain SSH. */
  async function devicesOf(renter: Renter, rental: Awaited<ReturnType<typeof rentChunk>>): Promise<string[]> {
    const { stdout } = await overSsh(await renter.sshArgs(rental), `tr '\\0' '\\n' < /proc/1/environ | grep ^NVIDIA_VISIBLE_DEVICES=; env | grep ^NVIDIA_VISIBLE_DEVICES=`);
    const values = new Set(stdout.trim().split('\n').map((line) => line.split('=')[1] ?? ''));
    expect(values.size).toBe(1);
    return [...values].join(',').split(',');
  }

  it('is for rent in chunks of 1, 2, 4 and 8', async () => {
    expect(await chunks()).toEqual([1, 2, 4, 8]);
    const [offer] = await renters[0]!.offers();
    expect(offer).toMatchObject({ gpu_name: 'RTX 4090', gpu_ram_mb: 24_564 });
  });

  it('shows no chunk below what its owner allows', async () => {
    await market.must(['node', 'price', market.nodeId, '--min-chunk', '4', '--json']);
    expect(await chunks()).toEqual([4, 8]);
    await market.must(['node', 'price', market.nodeId, '--min-chunk', '1', '--json']);
    expect(await chunks()).toEqual([1, 2, 4, 8]);
  });

  it('gives each account exactly its own devices, and each device to one', async () => {
    const [four, two] = await Promise.all([rentChunk(renters[0]!, 4), rentChunk(renters[1]!, 2)]);
    const held = await Promise.all([devicesOf(renters[0]!, four), devicesOf(renters[1]!, two)]);
    expect(held.map((devices) => devices.length)).toEqual([4, 2]);
    const all = held.flat();
    expect(new Set(all).size).toBe(6);
    expect(UUIDS).toEqual(expect.arrayContaining(all));
    const told = await market.sql<{ uuid: string; rental: string | null }>('SELECT uuid, "rentalId"::text AS rental FROM "Gpu" ORDER BY uuid');
    expect(told.filter((gpu) => gpu.rental === four.id).map((gpu) => gpu.uuid)).toEqual(held[0]?.toSorted());
    expect(told.filter((gpu) => gpu.rental === two.id).map((gpu) => gpu.uuid)).toEqual(held[1]?.toSorted());
    expect((await chunks()).every((count) => count <= 2)).toBe(true);

    await expectExactBill(renters[1]!, await renters[1]!.destroy(two.id));
    const one = await rentChunk(renters[2]!, 1);
    const [device] = await devicesOf(renters[2]!, one);
    expect(held[0]).not.toContain(device);
    await expectExactBill(renters[0]!, await renters[0]!.destroy(four.id));
    await expectExactBill(renters[2]!, await renters[2]!.destroy(one.id));
    await until('every device to be free', async () => (await chunks()).length === 4);
  });
});
