import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inflateSync } from 'node:zlib';
import { sha256Hex } from '@muster/proof';
import { JobSubmission, type JobInput } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { JobWorld } from './job-world.js';

const EXAMPLES = fileURLToPath(new URL('../../../examples', import.meta.url));
const hasPython = spawnSync('python3', ['--version']).status === 0;

async function python(script: string, env: Record<string, string>): Promise<string> {
  const { stdout } = await promisify(execFile)('python3', [join(EXAMPLES, script)], { env: { PATH: process.env['PATH'], ...env }, maxBuffer: 2 ** 24 });
  return stdout;
}

const Text = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const File = z.object({ kind: z.literal('file'), file: z.string(), path: z.string().optional() });
const JobFile = z.looseObject({ command: z.array(Text).optional(), environment: z.record(z.string(), Text).optional(), inputs: z.array(z.union([File, z.looseObject({})])).optional(), tasks: z.looseObject({ axes: z.record(z.string(), z.union([z.array(Text), z.string()])).optional() }).optional() });

/** What the command line makes of a `job.yaml`: local files travel inside, ranges are spelled out. */
async function submissionOf(text: string, folder: string): Promise<z.input<typeof JobSubmission>> {
  const { inputs = [], tasks, ...rest } = JobFile.parse(parse(text));
  const sent = await Promise.all(inputs.map(async (input): Promise<unknown> => {
    const file = File.safeParse(input);
    if (!file.success) return input;
    return { kind: 'inline', path: file.data.path ?? file.data.file, data: await readFile(join(folder, file.data.file), 'utf8') } satisfies z.input<typeof JobInput>;
  }));
  const axes = tasks?.axes && Object.fromEntries(Object.entries(tasks.axes).map(([name, values]) => [name, typeof values === 'string' ? spelledOut(values) : values]));
  return { ...rest, ...(sent.length > 0 && { inputs: sent }), ...(tasks && { tasks: axes ? { ...tasks, axes } : tasks }) } as z.input<typeof JobSubmission>;
}

function spelledOut(range: string): string[] {
  const [first = 0, last = 0] = range.split('..').map(Number);
  return Array.from({ length: last - first + 1 }, (_, n) => String(first + n));
}

/** The jobs that docs/jobs.md shows, each with the result it claims. */
async function documented(): Promise<[name: string, block: string, result: string][]> {
  const page = await readFile(fileURLToPath(new URL('../../../docs/jobs.md', import.meta.url)), 'utf8');
  const blocks = [...page.matchAll(/^```yaml\n([^]*?)^```\n(?:```result\n([^]*?)^```\n)?/gm)];
  return blocks.map(([, block = '', result]) => [/name: (.*)/.exec(block)?.[1] ?? '', block, result ?? 'hello\n']);
}

const DOCUMENTED = await documented();

const example = async (name: string) => submissionOf(await readFile(join(EXAMPLES, name, 'job.yaml'), 'utf8'), join(EXAMPLES, name));

describe.skipIf(!hasPython)('the programs of examples/ (needs python3)', () => {
  it('hash-verify prints what its README says', async () => {
    const printed = await python('hash-verify/hash_verify.py', { SEED: 'muster', ROUNDS: '200000' });
    expect(await readFile(join(EXAMPLES, 'hash-verify/README.md'), 'utf8')).toContain(`\n${printed}`);
    expect(await python('hash-verify/hash_verify.py', { SEED: 'a', ROUNDS: '1' })).toBe(`a 1 ${sha256Hex(Buffer.from(sha256Hex('a'), 'hex'))}\n`);
  });

  it('image-process draws the same pictures each time, and others from another seed', async () => {
    const folders: string[] = [];
    const draw = async (seed: string): Promise<Record<string, Buffer>> => {
      const folder = await mkdtemp(join(tmpdir(), 'muster-pictures-'));
      folders.push(folder);
      await python('image-process/image_process.py', { SEED: seed, SIZE: '64', OUTPUT: folder });
      const names = await readdir(folder);
      return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)));
    };
    const [first, again, other] = [await draw('7'), await draw('7'), await draw('8')];
    expect(Object.keys(first).toSorted()).toEqual(['blurred.png', 'edges.png', 'facts.json', 'original.png']);
    expect(again).toEqual(first);
    for (const name of Object.keys(first)) expect(other[name], name).not.toEqual(first[name]);
    const picture = first['edges.png'] ?? Buffer.alloc(0);
    expect(picture.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    const data = picture.subarray(picture.indexOf('IDAT') + 4, picture.indexOf('IEND') - 8);
    expect(inflateSync(data)).toHaveLength(64 * 65);
    await Promise.all(folders.map((folder) => rm(folder, { recursive: true })));
  });

  it('http-worker fits on a page', async () => {
    const lines = (await readFile(join(EXAMPLES, 'http-worker/worker.py'), 'utf8')).trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(100);
  });
});

describe.skipIf(!hasPython)('jobs of examples/ and docs/jobs.md on plain-HTTP workers of three owners (needs python3)', () => {
  let world: JobWorld;
  const workers: ChildProcess[] = [];
  const said: string[] = [];
  beforeAll(async () => {
    world = await JobWorld.start({ nodes: 0 });
    for (const name of ['one', 'two', 'three']) {
      const { key } = await world.app.makeKey(await world.app.signUp(), { kind: 'host' });
      const env = { PATH: process.env['PATH'], MUSTER_URL: world.app.url, MUSTER_HOST_API_KEY: key, NODE_NAME: name, POLL_S: '0.25', CPU_CORES: '4', MEMORY_MB: '8192' };
      const worker = spawn('python3', [join(EXAMPLES, 'http-worker/worker.py')], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      for (const stream of [worker.stdout, worker.stderr]) stream?.on('data', (chunk: Buffer) => said.push(`${name}: ${chunk.toString()}`));
      workers.push(worker);
    }
    await waitFor(() => said.filter((line) => line.includes('registered as')).length === 3, { deadlineMs: 30_000, what: `three workers to register: ${said.join('')}` });
  });
  afterAll(async () => {
    for (const worker of workers) worker.kill();
    await world?.close();
  });
  const ended = (id: string) => world.ended(id).catch((error: unknown) => {
    throw new Error(said.slice(-20).join(''), { cause: error });
  });

  it('hash-verify: three nodes agree on the line of its README', async () => {
    const job = await ended((await world.submit(await example('hash-verify'))).id);
    expect(await readFile(join(EXAMPLES, 'hash-verify/README.md'), 'utf8')).toContain(`\n${job.result}`);
  });

  it('matrix: ten results become one object', async () => {
    const job = await ended((await world.submit({ ...(await example('matrix')), redundancy: 2, max_copies: 2 })).id);
    const merged = z.record(z.string(), z.object({ points: z.literal(30_000), inside: z.number() })).parse(JSON.parse(job.result ?? ''));
    expect(Object.keys(merged)).toEqual(Array.from({ length: 10 }, (_, n) => `seed ${n + 1}`));
  });

  it('split: a thousand lines in parts come to what factor prints for all', async () => {
    // In larger parts and fewer copies than the file says: each is a process of its own here.
    const { id } = await world.submit({ ...(await example('split')), redundancy: 2, max_copies: 2, tasks: { kind: 'split', by: 'lines', path: 'numbers.txt', chunk: 100 } });
    const job = await ended(id);
    const plain = spawnSync('sh', ['-c', `factor < ${join(EXAMPLES, 'split/numbers.txt')}`]).stdout.toString();
    expect(job.progress.tasks).toBe(10);
    expect(job.result).toBe(plain);
  });

  it('image-process: is a job that this market takes', async () => {
    const { status, body } = await world.app.call('quoteJob', { token: world.submitter.token, body: await example('image-process') });
    // A worker that only speaks HTTP has no output folders, so nobody fits here.
    expect([status, body.waiting_for !== null, body.can_start]).toEqual([200, true, false]);
  });

  it.each(DOCUMENTED)('docs/jobs.md: %s', async (_name, block, result) => {
    const body = await submissionOf(block, EXAMPLES);
    const quote = await world.app.call('quoteJob', { token: world.submitter.token, body });
    expect(quote.status, JSON.stringify(quote.body)).toBe(200);
    // Folders are not for workers that only speak HTTP.
    if (body.outputs) return;
    expect((await ended((await world.submit(body)).id)).result?.trimEnd()).toBe(result.trimEnd());
  });

  it('a command that fails is the job’s own fault, and said', async () => {
    const { id } = await world.submit({ command: ['sh', '-c', 'echo oh no >&2; exit 3'] });
    const job = await world.ended(id, 'failed');
    expect(job.fault?.message).toContain('3');
  });
});
