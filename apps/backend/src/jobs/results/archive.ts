import { createHash } from 'node:crypto';
import { pipeline } from 'node:stream/promises';
import type { Manifest } from '@muster/shared-types';
import { pack, type Pack } from 'tar-stream';

type ManifestFile = Manifest['files'][number];

/** An uploaded archive is not what its manifest says. */
export class BadArchiveError extends Error {}

const BLOCK = 512;
/** Two empty blocks end an archive. */
const END_BYTES = 2 * BLOCK;
const EPOCH = new Date(0);

const headerOf = ({ path, size }: ManifestFile) => ({ name: path, size, mode: 0o644, uid: 0, gid: 0, mtime: EPOCH });
const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

/** Bytes before the content of this file in an archive as agents write it. */
async function headerBytes(file: ManifestFile): Promise<number> {
  const archive = pack();
  archive.entry({ ...headerOf(file), size: 0 }, '');
  archive.finalize();
  let length = 0;
  for await (const chunk of archive as AsyncIterable<Uint8Array>) length += chunk.length;
  return length - END_BYTES;
}

/** How long the archive of these files is. */
export async function archiveLength(files: readonly ManifestFile[]): Promise<number> {
  let length = END_BYTES;
  for (const file of files) length += (await headerBytes(file)) + file.size + paddingOf(file.size);
  return length;
}

/**
 * The archive of exactly these files, drawn from one that a stranger uploaded. Where each file must lie follows from the
 * manifest; the stranger's headers are skipped unread and written anew, and each content must have its SHA-256. Throws
 * BadArchiveError, at the latest before the end: what takes these bytes must not keep them then.
 */
export async function* rebuiltArchive(source: AsyncIterable<Uint8Array>, files: readonly ManifestFile[]): AsyncGenerator<Uint8Array> {
  const reader = new ByteReader(source);
  const archive = pack();
  const failure = copyAll(reader, archive, files).then(
    () => undefined,
    (error: Error) => error,
  );
  void failure.then((error) => error && archive.destroy(error));
  try {
    yield* archive as AsyncIterable<Uint8Array>;
  } finally {
    archive.destroy();
    await reader.close();
  }
}

async function copyAll(reader: ByteReader, archive: Pack, files: readonly ManifestFile[]): Promise<void> {
  for (const file of files) {
    await reader.skip(await headerBytes(file));
    await copyOne(reader, archive, file);
    await reader.skip(paddingOf(file.size));
  }
  archive.finalize();
}

async function copyOne(reader: ByteReader, archive: Pack, file: ManifestFile): Promise<void> {
  await pipeline(checked(reader.take(file.size), file), archive.entry(headerOf(file)));
}

async function* checked(content: AsyncIterable<Uint8Array>, file: ManifestFile): AsyncGenerator<Uint8Array> {
  const hash = createHash('sha256');
  for await (const chunk of content) {
    hash.update(chunk);
    yield chunk;
  }
  if (hash.digest('hex') !== file.sha256) throw new BadArchiveError(`${file.path} has not the SHA-256 of the manifest`);
}

/** Reads a stream by lengths. */
class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #held: Uint8Array = new Uint8Array();

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async *take(bytes: number): AsyncGenerator<Uint8Array> {
    for (let left = bytes; left > 0; ) {
      if (this.#held.length === 0) await this.#more();
      const chunk = this.#held.subarray(0, left);
      this.#held = this.#held.subarray(chunk.length);
      left -= chunk.length;
      yield chunk;
    }
  }

  async skip(bytes: number): Promise<void> {
    for await (const _chunk of this.take(bytes));
  }

  async close(): Promise<void> {
    await this.#source.return?.();
  }

  async #more(): Promise<void> {
    const next = await this.#source.next();
    if (next.done === true) throw new BadArchiveError('the archive ends too early');
    this.#held = next.value;
  }
}
