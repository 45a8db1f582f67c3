import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identify, isRunning, processesIn, stopProcess } from '@muster/local-services';
import { z } from 'zod';

/** Less room than this in memory-backed storage, and test servers keep their data on the disk. */
const WANTED_MEMORY_BYTES = 2 * 1024 ** 3;
const OWNER_FILE = 'owner.json';

const owner = z.object({ pid: z.number(), startTicks: z.number() });

/** Folder of all test servers of this Unix user: in memory when there is room. */
async function serversRoot(): Promise<string> {
  const name = `muster-test-${process.getuid?.() ?? 0}`;
  const memory = await statfs('/dev/shm').catch(() => undefined);
  const roomy = memory !== undefined && memory.bavail * memory.bsize > WANTED_MEMORY_BYTES;
  return join(roomy ? '/dev/shm' : tmpdir(), name);
}

/**
 * A new folder for one server. It says who owns it before anything starts in it, so that whatever a killed test
 * run leaves behind is found and removed by the next.
 */
export async function claimServerDir(kind: string): Promise<string> {
  await reapOrphans();
  const dir = join(await serversRoot(), `${kind}-${randomBytes(6).toString('hex')}`);
  const unclaimed = `${dir}.new`;
  await mkdir(unclaimed, { recursive: true, mode: 0o755 });
  await writeFile(join(unclaimed, OWNER_FILE), JSON.stringify(await identify(process.pid)));
  await rename(unclaimed, dir);
  return dir;
}

/** Stops the servers whose test run has ended without stopping them, and removes their folders. */
export async function reapOrphans(): Promise<void> {
  const root = await serversRoot();
  const names = await readdir(root).catch(() => []);
  await Promise.all(names.filter((name) => !name.endsWith('.new')).map((name) => reapIfOrphaned(join(root, name))));
}

async function reapIfOrphaned(dir: string): Promise<void> {
  const text = await readFile(join(dir, OWNER_FILE), 'utf8').catch(() => undefined);
  if (text === undefined) return; // another run removes it at this moment
  if (await isRunning(owner.parse(JSON.parse(text)))) return;
  await removeServerDir(dir);
}

/** Stops what still works in the folder of a server and removes the folder. */
export async function removeServerDir(dir: string): Promise<void> {
  const left = await processesIn(join(dir, 'data'));
  await Promise.all(left.map((process) => stopProcess(process, [{ signal: 'SIGINT', graceMs: 10_000 }, { signal: 'SIGKILL', graceMs: 5_000 }])));
  await rm(dir, { recursive: true, force: true });
}
