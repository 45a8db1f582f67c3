import { randomBytes } from 'node:crypto';
import { sha256Hex } from '@muster/proof';
import { extract, pack } from 'tar-stream';
import { describe, expect, it } from 'vitest';
import { archiveLength, BadArchiveError, rebuiltArchive } from './archive.js';

interface Content {
  path: string;
  bytes: Uint8Array;
}

const manifestOf = (contents: readonly Content[]) => contents.map(({ path, bytes }) => ({ path, size: bytes.length, sha256: sha256Hex(bytes) }));

/** An archive as agents write it, with other headers when told. */
async function archived(contents: readonly Content[], extra: object = {}): Promise<Buffer> {
  const archive = pack();
  for (const { path, bytes } of contents) archive.entry({ name: path, size: bytes.length, mode: 0o644, uid: 0, gid: 0, mtime: new Date(0), ...extra }, Buffer.from(bytes));
  archive.finalize();
  return await bytesOf(archive as AsyncIterable<Uint8Array>);
}

async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function filesIn(archive: Uint8Array): Promise<Content[]> {
  const reading = extract();
  reading.end(archive);
  const files: Content[] = [];
  for await (const entry of reading) files.push({ path: entry.header.name, bytes: await bytesOf(entry as AsyncIterable<Uint8Array>) });
  return files;
}

const CONTENTS: Content[] = [
  { path: 'a.txt', bytes: Buffer.from('hello\n') },
  { path: 'empty', bytes: new Uint8Array() },
  { path: `deep/${'x'.repeat(120)}/${'y'.repeat(120)}.bin`, bytes: randomBytes(200_000) },
  { path: 'näme-日本.dat', bytes: randomBytes(512) },
  { path: 'z', bytes: randomBytes(1_000_001) },
];

describe('rebuiltArchive', () => {
  it.each([1, 513, 65_536, 10_000_000])('gives the same bytes for an honest archive, read in pieces of %i', async (size) => {
    const contents = size === 1 ? CONTENTS.slice(0, 2) : CONTENTS;
    const archive = await archived(contents);
    expect(await archiveLength(manifestOf(contents))).toBe(archive.length);
    const rebuilt = await bytesOf(rebuiltArchive(pieces(archive, size), manifestOf(contents)));
    expect(rebuilt.equals(archive)).toBe(true);
    expect((await filesIn(rebuilt)).map(({ path, bytes }) => [path, sha256Hex(bytes)])).toEqual(contents.map(({ path, bytes }) => [path, sha256Hex(bytes)]));
  });

  it('an archive of nothing', async () => {
    expect((await bytesOf(rebuiltArchive(pieces(await archived([]), 100), []))).length).toBe(await archiveLength([]));
  });

  it('keeps nothing of the headers that a stranger wrote', async () => {
    const bad = await archived(CONTENTS.slice(0, 2), { mode: 0o6777, uid: 1000, uname: 'root', mtime: new Date(1e12) });
    const rebuilt = await bytesOf(rebuiltArchive(pieces(bad, 1000), manifestOf(CONTENTS.slice(0, 2))));
    expect(rebuilt.equals(await archived(CONTENTS.slice(0, 2)))).toBe(true);
  });

  it.each<[string, (archive: Buffer) => Buffer]>([
    ['with one bit changed', (archive) => { const copy = Buffer.from(archive); copy[700] = (copy[700] ?? 0) ^ 1; return copy; }],
    ['cut', (archive) => archive.subarray(0, 250_000)],
    ['empty', () => Buffer.alloc(0)],
    ['of noise', (archive) => randomBytes(archive.length)],
  ])('an archive %s is refused', async (_what, change) => {
    const contents = [{ path: 'first', bytes: randomBytes(300) }, ...CONTENTS];
    const archive = change(await archived(contents));
    await expect(bytesOf(rebuiltArchive(pieces(archive, 4_096), manifestOf(contents)))).rejects.toThrow(BadArchiveError);
  });

  it('ends what it reads from when nobody reads on', async () => {
    let ended = false;
    async function* watched(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
      try {
        yield* pieces(bytes, 512);
      } finally {
        ended = true;
      }
    }
    for await (const _chunk of rebuiltArchive(watched(await archived(CONTENTS)), manifestOf(CONTENTS))) break;
    expect(ended).toBe(true);
  });
});
