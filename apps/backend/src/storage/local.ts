import { randomUUID } from 'node:crypto';
import { constants, createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fail, type Result } from '@muster/shared-types';
import { isFolder, isKey } from './key.rules.js';
import { writeLink, type Link } from './link.rules.js';
import { Meter, refusedOr } from './meter.js';
import { Storage, type ByteRange, type PutOptions, type SignedPut, type SignedPutOptions, type Stored, type Written } from './storage.port.js';

export interface LocalStorageOptions {
  /** Made when it is missing. Replicas share it, or there is one. */
  dir: string;
  /** Where the blobs controller is reached, without a trailing slash. */
  publicUrl: string;
  linkSecret: Uint8Array;
  now: () => Date;
}

/** A write that was broken off by a crash is removed after this long. */
const ABANDONED_MS = 24 * 3_600_000;

/**
 * Objects as files: `objects/<key>`. A file is written under `incoming/`, synced, moved to its name, and the folders that
 * name it are synced before the write is acknowledged.
 */
export class LocalStorage extends Storage {
  constructor(private readonly options: LocalStorageOptions) {
    super();
  }

  put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options: PutOptions = {}): Promise<Result<Written>> {
    return refusedOr(() => this.#put(this.#path(key), body, new Meter(options)));
  }

  async #put(path: string, body: Uint8Array | AsyncIterable<Uint8Array>, meter: Meter): Promise<Result<Written>> {
    const incoming = await this.#incomingPath();
    try {
      await writeSynced(incoming, meter.through(body));
      const result = meter.result();
      if (result.ok) await moveSynced(incoming, path);
      return result;
    } catch (error) {
      if (isFull(error)) return fail('unavailable', { detail: 'The storage is full' });
      throw error;
    } finally {
      await rm(incoming, { force: true });
    }
  }

  async get(key: string, range?: ByteRange): Promise<Stored | undefined> {
    const handle = await open(this.#path(key), constants.O_RDONLY | constants.O_NOFOLLOW).catch(absent);
    if (!handle) return undefined;
    // Read through the handle: whatever replaces or removes the file meanwhile, these are the bytes that were there.
    const size = await sizeOf(handle);
    const part = range ? { start: range.first, end: range.last } : {};
    return size === undefined ? undefined : { size, body: createReadStream('', { fd: handle, ...part }) };
  }

  async stat(key: string): Promise<number | undefined> {
    const found = await stat(this.#path(key)).catch(absent);
    return found?.isFile() ? found.size : undefined;
  }

  async delete(keyOrFolder: string): Promise<void> {
    if (isFolder(keyOrFolder)) await rm(this.#path(keyOrFolder.slice(0, -1)), { recursive: true, force: true });
    else await unlink(this.#path(keyOrFolder)).catch(absent);
  }

  async signedGet(key: string, ttlS: number): Promise<string> {
    return this.#sign({ method: 'GET', key: valid(key), expires: this.#ends(ttlS) });
  }

  async signedPut(key: string, { ttlS, maxBytes, sha256 }: SignedPutOptions): Promise<SignedPut> {
    const url = this.#sign({ method: 'PUT', key: valid(key), expires: this.#ends(ttlS), maxBytes, ...(sha256 === undefined ? {} : { sha256 }) });
    return { url, headers: {} };
  }

  async sweep(now: Date): Promise<void> {
    const dir = join(this.options.dir, 'incoming');
    const names = (await readdir(dir).catch(absent)) ?? [];
    for (const name of names) {
      const found = await stat(join(dir, name)).catch(absent);
      if (found && now.getTime() - found.mtimeMs > ABANDONED_MS) await rm(join(dir, name), { force: true });
    }
  }

  #sign(link: Link): string {
    return this.options.publicUrl + writeLink(this.options.linkSecret, link);
  }

  #ends(ttlS: number): number {
    return Math.ceil(this.options.now().getTime() / 1000) + ttlS;
  }

  #path(key: string): string {
    return join(this.options.dir, 'objects', valid(key));
  }

  async #incomingPath(): Promise<string> {
    const dir = join(this.options.dir, 'incoming');
    await mkdir(dir, { recursive: true, mode: 0o700 });
    return join(dir, randomUUID());
  }
}

function valid(key: string): string {
  if (!isKey(key)) throw new Error(`not a key: ${JSON.stringify(key)}`);
  return key;
}

async function writeSynced(path: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const chunk of source) await writeAll(handle, chunk);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** One write may take less than it was given. */
async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.length; ) at += (await handle.write(chunk, at)).bytesWritten;
}

async function moveSynced(from: string, to: string): Promise<void> {
  const folder = dirname(to);
  const firstMade = await mkdir(folder, { recursive: true, mode: 0o700 });
  await rename(from, to);
  // A folder that is new stands in its parent only once the parent is synced.
  const top = firstMade === undefined ? folder : dirname(firstMade);
  for (let at = folder; ; at = dirname(at)) {
    await syncFolder(at);
    if (at === top) return;
  }
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Undefined, and the handle closed, for what is no file. */
async function sizeOf(handle: FileHandle): Promise<number | undefined> {
  const found = await handle.stat();
  if (found.isFile()) return found.size;
  await handle.close();
  return undefined;
}

/** A handler for `catch`: what is not there is undefined; everything else goes on. */
function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
  throw error;
}

const isFull = (error: unknown): boolean => error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
