import { isUtf8 } from 'node:buffer';
import { createHash } from 'node:crypto';
import { createReadStream, openAsBlob } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type JobInput, JOB_LIMITS } from '@muster/shared-types';
import type { Access } from '../commands/access.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say } from '../output/io.js';
import { seconds } from '../output/words.js';
import { bytesWords } from './job-words.js';
import type { LocalInput } from './job-file.js';

/** Smaller files travel inside the submission, while they fit there together; the others are uploaded first. */
const INLINE_BYTES = 64 * 1024;
const INLINE_TOTAL_BYTES = 1024 * 1024;
const UPLOAD_MS = 60 * 60_000;

interface LocalFile {
  file: string;
  path: string;
  size: number;
}

/** `FILE`, or `NAME=FILE` to give it another name below `/input`; a folder stands for the files in it. */
export async function namedInput(text: string): Promise<LocalInput> {
  const [, path, source] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (path !== undefined && source !== undefined && !(await exists(text))) return { source: resolve(source), path };
  return { source: resolve(text), path: basename(resolve(text)) };
}

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, () => false);

/** Every local file as an input of a job; large ones are uploaded. Throws a usage error for what cannot be read. */
export async function sendInputs(io: Io, access: Access, wanted: readonly LocalInput[]): Promise<JobInput[]> {
  const files = (await Promise.all(wanted.map(filesOf))).flat();
  if (files.length > JOB_LIMITS.inputs) throw new CliError(`${files.length} input files are more than the ${JOB_LIMITS.inputs} that a job may have.`, EXIT.usage, 'Pack them into one archive, and unpack it in the command.');
  const inputs: JobInput[] = [];
  let inline = 0;
  for (const file of files) {
    const fits = file.size <= INLINE_BYTES && inline + file.size <= INLINE_TOTAL_BYTES;
    if (fits) inline += file.size;
    inputs.push(fits ? await inlined(file) : await uploaded(io, access, file));
  }
  return inputs;
}

async function filesOf({ source, path }: LocalInput): Promise<LocalFile[]> {
  const found = await stat(source).catch((error: unknown) => {
    throw new CliError(`${source} cannot be read.`, EXIT.usage, undefined, { cause: error });
  });
  if (found.isFile()) return [{ file: source, path, size: found.size }];
  if (!found.isDirectory()) throw new CliError(`${source} is neither a file nor a folder.`, EXIT.usage);
  const names = (await readdir(source)).toSorted();
  return (await Promise.all(names.map((name) => filesOf({ source: join(source, name), path: `${path}/${name}` })))).flat();
}

async function inlined({ file, path }: LocalFile): Promise<JobInput> {
  const bytes = await readFile(file);
  return isUtf8(bytes) ? { kind: 'inline', path, data: bytes.toString('utf8'), encoding: 'utf8' } : { kind: 'inline', path, data: bytes.toString('base64'), encoding: 'base64' };
}

/** The market refuses other bytes than those whose hash was told first. */
async function uploaded(io: Io, { client, url }: Access, { file, path, size }: LocalFile): Promise<JobInput> {
  const startedAt = performance.now();
  const { upload_id, put_url, put_headers } = await client.call('createUpload', { body: { size, sha256: await sha256Of(file) } });
  const answer = await fetch(new URL(put_url, url), { method: 'PUT', headers: put_headers, body: await openAsBlob(file), signal: AbortSignal.timeout(UPLOAD_MS) });
  if (!answer.ok) throw new CliError(`${file} could not be uploaded: HTTP ${answer.status} ${(await answer.text()).slice(0, 300)}`, EXIT.failed, 'Submit again; what was uploaded is uploaded anew.');
  await answer.body?.cancel();
  say(io, `${io.paint.green('✓')} uploaded ${path}  ${io.paint.dim(`${bytesWords(size)}, ${seconds(performance.now() - startedAt)}`)}`);
  return { kind: 'upload', path, upload_id };
}

async function sha256Of(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
