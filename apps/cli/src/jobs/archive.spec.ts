import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Manifest } from '@muster/shared-types';
import { type Header, pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unpackResult } from './archive.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-archive-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const manifestOf = (files: Record<string, string>): Manifest => ({
  exit_code: 0,
  files: Object.entries(files).map(([path, text]) => ({ path, size: Buffer.byteLength(text), sha256: createHash('sha256').update(text).digest('hex') })),
});

function tarOf(entries: readonly (Partial<Header> & { name: string; text?: string })[]): AsyncIterable<Uint8Array> {
  const tar = pack();
  for (const { text, ...header } of entries) tar.entry(header, text ?? '');
  tar.finalize();
  return tar as AsyncIterable<Uint8Array>;
}

const unpack = (entries: Parameters<typeof tarOf>[0], files: Record<string, string>): Promise<void> => unpackResult(tarOf(entries), manifestOf(files), join(folder, 'out'));
const left = async (): Promise<string[]> => (await readdir(folder, { recursive: true })).toSorted();

describe('the archive of a result', () => {
  it('becomes the files of its manifest', async () => {
    await unpack([{ name: './', type: 'directory' }, { name: 'a/b.txt', text: 'bee' }, { name: './c', text: '' }], { 'a/b.txt': 'bee', c: '' });
    expect(await readFile(join(folder, 'out/a/b.txt'), 'utf8')).toBe('bee');
    expect(await left()).toEqual(['out', 'out/a', 'out/a/b.txt', 'out/c']);
  });

  it.each([
    ['another content', [{ name: 'a', text: 'bad' }], 'is not what the nodes agreed on'],
    ['a longer content', [{ name: 'a', text: 'fine and more' }], 'longer than'],
    ['a shorter content', [{ name: 'a', text: 'fi' }], 'is not what the nodes agreed on'],
    ['a file more', [{ name: 'a', text: 'fine' }, { name: 'b', text: 'x' }], 'is no file of'],
    ['a file twice', [{ name: 'a', text: 'fine' }, { name: 'a', text: 'fine' }], 'is no file of'],
    ['a file less', [], 'lacks a'],
    ['a path outside', [{ name: '../a', text: 'fine' }], 'is no file of'],
    ['an absolute path', [{ name: '/a', text: 'fine' }], 'is no file of'],
    ['a link', [{ name: 'a', type: 'symlink', linkname: '/etc/passwd' }], 'is no file of'],
    ['a link more', [{ name: 'x', type: 'symlink', linkname: '/etc/passwd' }], 'is no file of'],
  ] as const)('with %s is refused, and leaves nothing of it', async (_, entries, words) => {
    await expect(unpack([...entries], { a: 'fine' })).rejects.toThrow(words);
    expect((await left()).filter((name) => name.endsWith('.part') || name.endsWith('/b') || name.endsWith('/x'))).toEqual([]);
  });

  it('writes over a link that lies there, not through it', async () => {
    const secret = join(folder, 'secret');
    await unpack([{ name: 'keep', text: '' }], { keep: '' });
    await symlink(secret, join(folder, 'out', 'a'));
    await unpack([{ name: 'a', text: 'fine' }], { a: 'fine' });
    expect(await left()).not.toContain('secret');
    expect(await readFile(join(folder, 'out', 'a'), 'utf8')).toBe('fine');
  });

  it('that breaks off is refused', async () => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of tarOf([{ name: 'a', text: 'fine'.repeat(1000) }])) chunks.push(chunk);
    const half = Buffer.concat(chunks).subarray(0, 2000);
    await expect(unpackResult((async function* () { await Promise.resolve(); yield half; })(), manifestOf({ a: 'fine'.repeat(1000) }), folder)).rejects.toThrow();
  });
});
