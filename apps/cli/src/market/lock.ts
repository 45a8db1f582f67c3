import { randomBytes } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { identify, isRunning, type ProcessIdentity } from '@muster/local-services';
import { z } from 'zod';
import { readIfThere } from './private-file.js';

const Record = z.object({ pid: z.number().int(), startTicks: z.number(), bootId: z.string() });

export interface Lock {
  release(): Promise<void>;
}

/** Who supervises the market of this folder now; undefined when nobody does. */
export async function lockHolder(path: string): Promise<ProcessIdentity | undefined> {
  const text = await readIfThere(path);
  return text === undefined ? undefined : holderIn(text);
}

/**
 * Takes the lock, or returns undefined when a living process has it. A dead holder's lock is moved aside first; if that
 * turns out to be another file than the one judged dead (two of us saw the same dead holder), it is put back.
 */
export async function takeLock(path: string): Promise<Lock | undefined> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const mine = JSON.stringify(await ownRecord());
  await writeFile(draft, mine, { mode: 0o644, flag: 'wx' });
  try {
    while (!(await linked(draft, path))) {
      const text = await readIfThere(path);
      if (text === undefined) continue;
      if (await holderIn(text)) return undefined;
      await moveAside(path, text);
    }
    return { release: () => release(path, mine) };
  } finally {
    await rm(draft, { force: true });
  }
}

async function linked(from: string, to: string): Promise<boolean> {
  return link(from, to).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
}

async function moveAside(path: string, dead: string): Promise<void> {
  const aside = `${path}.${randomBytes(6).toString('hex')}.dead`;
  await rename(path, aside).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
  const moved = await readIfThere(aside);
  if (moved !== undefined && moved !== dead) await linked(aside, path);
  await rm(aside, { force: true });
}

async function release(path: string, mine: string): Promise<void> {
  if ((await readIfThere(path)) === mine) await rm(path, { force: true });
}

async function holderIn(text: string): Promise<ProcessIdentity | undefined> {
  const record = Record.safeParse(parseJson(text)).data;
  if (!record || record.bootId !== (await bootId()) || !(await isRunning(record))) return undefined;
  return { pid: record.pid, startTicks: record.startTicks };
}

async function ownRecord(): Promise<z.infer<typeof Record>> {
  const identity = await identify(process.pid);
  if (!identity) throw new Error('this process cannot be seen in /proc');
  return { ...identity, bootId: await bootId() };
}

async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
