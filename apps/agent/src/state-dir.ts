import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { chmod, copyFile, mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Uuid } from '@muster/shared-types';
import { z } from 'zod';

/** What enrolment gave this machine. */
export const NodeFile = z.object({
  node_id: Uuid,
  cluster_id: Uuid,
  /** Base URL of the market, e.g. `https://market.example`. */
  backend_url: z.url(),
  tunnel_server: z.object({
    addr: z.string().min(1).max(255),
    port: z.number().int().min(1).max(65_535),
    /** PEM. Without it frpc would believe any server. */
    ca: z.string().min(1).max(65_536),
  }),
});
export type NodeFile = z.infer<typeof NodeFile>;

export interface StateDir {
  root: string;
  identityKey: string;
  node: string;
  desiredState: string;
  /** The GPUs that were seen in this boot. */
  gpus: string;
  /** The agent's own engine. */
  docker: string;
  frpc: string;
  /** Disks of instances. */
  disks: string;
  /** Executions of jobs and their results. */
  tasks: string;
}

/** `previous`: the version before the last write, when that one is still readable. It is for a person, not for a loop. */
export type StateRead<T> = { kind: 'ok'; value: T } | { kind: 'missing' } | { kind: 'corrupt'; message: string; previous: T | null };

const PRIVATE_DIR = 0o700;
/** A remapped container root has to pass through, and sees nothing: it cannot list, and every file is 0600. */
const TRAVERSABLE_DIR = 0o711;
const PRIVATE_FILE = 0o600;

/** Where everything lies below `root`. */
export function stateLayout(root: string): StateDir {
  const at = (name: string): string => join(root, name);
  return {
    root,
    identityKey: at('identity.key'),
    node: at('node.json'),
    desiredState: at('desired-state.json'),
    gpus: at('gpus.json'),
    docker: at('docker'),
    frpc: at('frpc'),
    disks: at('disks'),
    tasks: at('tasks'),
  };
}

/** Makes the folders that are missing and sets the permissions of all of them. Throws when the file system refuses. */
export async function openStateDir(root: string): Promise<StateDir> {
  const dir = stateLayout(root);
  await mkdir(root, { recursive: true, mode: TRAVERSABLE_DIR });
  await makeDir(root, TRAVERSABLE_DIR);
  await Promise.all([makeDir(dir.docker, TRAVERSABLE_DIR), makeDir(dir.disks, TRAVERSABLE_DIR), makeDir(dir.frpc, PRIVATE_DIR)]);
  return dir;
}

/** chmod as well, because a umask takes bits from mkdir and an older folder may have others. */
async function makeDir(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode });
  await chmod(path, mode);
}

/**
 * Replaces a file in one step: a reader, or a machine that loses power, finds the old text or the new one, never a part.
 * The old one is kept as `<path>.previous`. Mode 0600.
 */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const next = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeSynced(next, text);
    await keepPrevious(path);
    await rename(next, path);
  } catch (error) {
    await rm(next, { force: true });
    throw error;
  }
  await syncDir(dirname(path));
}

async function writeSynced(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', PRIVATE_FILE);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function keepPrevious(path: string): Promise<void> {
  const previous = `${path}.previous`;
  const copy = `${previous}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await copyFile(path, copy, constants.COPYFILE_EXCL);
    await chmod(copy, PRIVATE_FILE);
    await rename(copy, previous);
  } catch (error) {
    await rm(copy, { force: true });
    if (!isMissing(error)) throw error;
  }
}

/** Makes the new directory entry itself durable. */
export async function syncDir(path: string): Promise<void> {
  const dir = await open(path, 'r');
  try {
    await dir.sync();
  } finally {
    await dir.close();
  }
}

export const writeJson = (path: string, value: unknown): Promise<void> => writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

/** Reads a file of the state folder. A file that is not what it should be is never taken for a missing one. */
export async function readJson<S extends z.ZodType>(path: string, schema: S): Promise<StateRead<z.output<S>>> {
  const now = await readOne(path, schema);
  if (now.kind !== 'corrupt') return now;
  const before = await readOne(`${path}.previous`, schema);
  const previous = before.kind === 'ok' ? before.value : null;
  const way = previous === null ? 'There is no readable version before it.' : `The version before it is in ${path}.previous.`;
  return { kind: 'corrupt', message: `${path} cannot be read: ${now.message}. ${way}`, previous };
}

async function readOne<S extends z.ZodType>(path: string, schema: S): Promise<StateRead<z.output<S>>> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (text === null) return { kind: 'missing' };
  const parsed = schema.safeParse(parseText(text));
  if (parsed.success) return { kind: 'ok', value: parsed.data };
  const fault = parsed.error.issues[0];
  return { kind: 'corrupt', message: `${fault?.path.join('.') || 'the file'}: ${fault?.message ?? 'not valid'}`, previous: null };
}

/** The JSON value, or undefined, which no schema of ours accepts. The parser's own message would quote the content. */
function parseText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT';
