import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Manifest } from '@muster/shared-types';
import { pack, type Pack } from 'tar-stream';
import { nodeFault } from './execution-fault.js';
import { type FetchPolicy, safePut } from './safe-fetch.js';

type ManifestFile = Manifest['files'][number];

const TRIES = 5;
const FIRST_REST_MS = 500;
const BLOCK = 512;
const EPOCH = new Date(0);

const headerOf = ({ path, size }: ManifestFile) => ({ name: path, size, mode: 0o644, uid: 0, gid: 0, mtime: EPOCH });

/** The archive of a result folder: the same bytes for the same manifest, wherever it is made. */
export function archiveOf(folder: string, files: readonly ManifestFile[]): Pack {
  const archive = pack();
  void (async () => {
    for (const file of files) await pipeline(createReadStream(join(folder, file.path)), archive.entry(headerOf(file)));
    archive.finalize();
  })().catch((error: unknown) => archive.destroy(error as Error));
  return archive;
}

/** Its length, from headers alone: signed URLs want to know it before the first byte. */
export async function archiveLength(files: readonly ManifestFile[]): Promise<number> {
  const archive = pack();
  for (const file of files) archive.entry({ ...headerOf(file), size: 0 }, '');
  archive.finalize();
  let length = 0;
  for await (const chunk of archive) length += (chunk as Buffer).length;
  return files.reduce((sum, { size }) => sum + Math.ceil(size / BLOCK) * BLOCK, length);
}

/** Sends the archive with HTTP PUT. Throws ExecutionFaultError `upload_failed` when it was not taken. */
export async function uploadArchive(url: string, folder: string, files: readonly ManifestFile[], policy: FetchPolicy, signal: AbortSignal): Promise<void> {
  const length = await archiveLength(files);
  for (let tries = 1; ; tries += 1) {
    const refusal = await putOnce(new URL(url), folder, files, length, policy, signal);
    if (refusal === null) return;
    if (refusal.final || tries === TRIES || signal.aborted) throw nodeFault('upload_failed', `The result could not be uploaded: ${refusal.words}.`);
    await new Promise((resolve) => setTimeout(resolve, FIRST_REST_MS * 2 ** tries));
  }
}

async function putOnce(url: URL, folder: string, files: readonly ManifestFile[], length: number, policy: FetchPolicy, signal: AbortSignal): Promise<{ words: string; final: boolean } | null> {
  const archive = archiveOf(folder, files);
  // A refusal may come before the last byte was read: then nobody reads on.
  archive.on('error', () => undefined);
  try {
    const answer = await safePut(url, archive as AsyncIterable<Uint8Array>, length, policy, signal);
    answer.resume();
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300) return null;
    return { words: `status ${status}`, final: status >= 400 && status < 500 && status !== 408 && status !== 429 };
  } catch (error) {
    const { code, message, name } = error as { code?: string; message?: string; name?: string };
    return { words: code ?? message ?? 'no answer', final: name === 'ForbiddenAddressError' };
  } finally {
    archive.destroy();
  }
}
