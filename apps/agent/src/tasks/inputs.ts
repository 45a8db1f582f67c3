import { createHash } from 'node:crypto';
import { chmod, mkdir, open, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { JOB_LIMITS, type TaskInput } from '@muster/shared-types';
import { type ExecutionFaultError, jobFault, nodeFault } from './execution-fault.js';
import { type FetchPolicy, ForbiddenAddressError, safeGet } from './safe-fetch.js';

export interface FetchContext {
  policy: FetchPolicy;
  signal: AbortSignal;
  onProgress: (progress: { current_bytes: number; total_bytes: number }) => void;
}

type Fetched = Extract<TaskInput, { kind: 'fetch' }>;

const TAKEN: ReadonlySet<string> = new Set(['EEXIST', 'ENOTDIR', 'EISDIR']);
const TRIES = 3;
const REST_MS = 1_000;

/** Puts every input below `folder`, readable for everybody and writable for none of them. Throws ExecutionFaultError. */
export async function placeInputs(inputs: readonly TaskInput[], folder: string, context: FetchContext): Promise<void> {
  let left: number = JOB_LIMITS.inputBytes;
  for (const input of inputs) {
    const file = join(folder, input.path);
    await makePlace(folder, file, input.path);
    if (input.kind === 'inline') await writeFile(file, Buffer.from(input.data, input.encoding), { mode: 0o644 });
    else left -= await fetched(input, file, left, context);
    await chmod(file, 0o644);
  }
}

/** One input may not be a folder for another, nor lie where another lies. */
async function makePlace(folder: string, file: string, path: string): Promise<void> {
  try {
    await makeParents(folder, dirname(file));
    await writeFile(file, '', { flag: 'wx', mode: 0o644 });
  } catch (error) {
    if (!TAKEN.has((error as { code?: string }).code ?? '')) throw error;
    throw jobFault('input_failed', `Two inputs want the same place: ${path}.`);
  }
}

async function makeParents(folder: string, parent: string): Promise<void> {
  await mkdir(parent, { recursive: true });
  for (let at = parent; at.length > folder.length; at = dirname(at)) await chmod(at, 0o755);
}

/** Tried again when the network was at fault, never when the bytes are wrong. */
async function fetched(input: Fetched, file: string, limit: number, context: FetchContext): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await fetchOne(input, file, limit, context);
    } catch (error) {
      const fault = faultOfFetch(input, error);
      if (fault.fault.blame === 'job' || tries === TRIES || context.signal.aborted) throw fault;
      await new Promise((resolve) => setTimeout(resolve, REST_MS * tries));
    }
  }
}

async function fetchOne(input: Fetched, file: string, limit: number, { policy, signal, onProgress }: FetchContext): Promise<number> {
  const answer = await safeGet(new URL(input.url), policy, signal);
  try {
    const status = answer.statusCode ?? 0;
    if (status !== 200) throw status >= 400 && status < 500 && status !== 429 ? jobFault('input_failed', `The input ${input.path} answered ${status}.`) : new Error(`status ${status}`);
    const total = Number(answer.headers['content-length'] ?? input.size ?? 0);
    const { size, sha256 } = await save(answer, file, input.size ?? limit, (current_bytes) => onProgress({ current_bytes, total_bytes: Math.max(total, current_bytes) }));
    if (sha256 !== input.sha256) throw jobFault('input_hash', `The input ${input.path} has the SHA-256 ${sha256} and not ${input.sha256}.`);
    return size;
  } finally {
    answer.destroy();
  }
}

async function save(body: AsyncIterable<Buffer>, path: string, limit: number, onBytes: (bytes: number) => void): Promise<{ size: number; sha256: string }> {
  const file = await open(path, 'w', 0o644);
  const hash = createHash('sha256');
  let size = 0;
  try {
    for await (const chunk of body) {
      size += chunk.length;
      if (size > limit) throw jobFault('input_failed', `An input is larger than the ${limit} bytes it may have.`);
      hash.update(chunk);
      await file.writeFile(chunk);
      onBytes(size);
    }
  } finally {
    await file.close();
  }
  return { size, sha256: hash.digest('hex') };
}

/** The URL stays out of it: it may be a signed one. */
function faultOfFetch(input: Fetched, error: unknown): ExecutionFaultError {
  const { name, code, message } = error as { name?: string; code?: string; message?: string };
  if (name === 'ExecutionFaultError') return error as ExecutionFaultError;
  if (error instanceof ForbiddenAddressError) return jobFault('input_failed', `The input ${input.path} is not fetched: ${message}.`);
  if (code === 'ENOSPC') return jobFault('disk_full', 'The inputs do not fit on the disk of the execution (disk_gb).');
  return nodeFault('input_failed', `The input ${input.path} could not be fetched from this host: ${code ?? message}.`);
}
