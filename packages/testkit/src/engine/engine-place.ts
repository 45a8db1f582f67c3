import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BUSYBOX } from './test-image.js';

const BASE_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Folders, bridge and subnet of one engine that collides with no other, in the shape of the agent's `EngineConfig`. */
export interface EnginePlace {
  musterHome: string;
  stateDir: string;
  bridge: string;
  subnet: string;
  poolGb: number;
  path: string;
}

/**
 * A free place for a real engine. `gpus: true` puts a stand-in `nvidia-container-runtime-hook` on its PATH: dockerd then
 * takes device requests and states the devices in the container's variables, which is all that can be seen without a GPU.
 * The caller stops the engine, then calls `removePlace`.
 */
export async function makeEnginePlace(options: { poolGb?: number; gpus?: boolean } = {}): Promise<EnginePlace> {
  const musterHome = await mkdtemp(join(tmpdir(), 'muster-engine-'));
  await chmod(musterHome, 0o711);
  const tools = join(musterHome, 'bin');
  await mkdir(tools);
  if (options.gpus === true) await writeFile(join(tools, 'nvidia-container-runtime-hook'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  return {
    musterHome,
    stateDir: join(musterHome, 'agent'),
    bridge: `mt${randomBytes(4).toString('hex')}`,
    subnet: await freeSubnet(),
    poolGb: options.poolGb ?? 4,
    path: `${tools}:${BASE_PATH}`,
  };
}

/** A /24 that no route of this machine leads to; concurrent tests start at random places. */
async function freeSubnet(): Promise<string> {
  const routes = (await readFile('/proc/net/route', 'utf8')).split('\n').slice(1).map((line) => line.split('\t'));
  const used = routes.flatMap(([, to, , , , , , mask]): [number, number][] => (to && mask ? [[bigEndian(to), bigEndian(mask)]] : []));
  for (;;) {
    const [a = 0, b = 0] = randomBytes(2);
    const second = 214 + (a % 32);
    const network = ((10 << 24) | (second << 16) | (b << 8)) >>> 0;
    // The default route (mask 0) leads everywhere and means nothing here.
    const taken = used.some(([to, mask]) => mask !== 0 && ((network & mask) >>> 0 === to || (to & 0xffffff00) >>> 0 === network));
    if (!taken) return `10.${second}.${b}.0/24`;
  }
}

/** The kernel writes addresses as the machine has them in memory. */
const bigEndian = (hex: string): number => Buffer.from(hex, 'hex').readUInt32LE();

export async function removePlace(place: EnginePlace): Promise<void> {
  await rm(place.musterHome, { recursive: true, force: true });
}

const canRun = (file: string): boolean => {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Why a real engine cannot run on this machine; null when it can. For `describe.skipIf`, with the reason in its name. */
export function engineObstacle(): string | null {
  if (process.getuid?.() !== 0) return 'needs root';
  const folders = BASE_PATH.split(':');
  const missing = ['dockerd', 'containerd', 'runc', 'nft', 'ip', 'mkfs.ext4'].filter((tool) => !folders.some((folder) => canRun(join(folder, tool))));
  if (!canRun(BUSYBOX)) missing.push('busybox-static');
  return missing.length === 0 ? null : `needs ${missing.join(', ')}`;
}
