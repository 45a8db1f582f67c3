import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalJson } from '@muster/proof';
import type { JobResult, Manifest } from '@muster/shared-types';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../config.js';
import { EXIT } from '../output/exit-codes.js';
import { createIo } from '../output/io.js';
import { runProgram } from '../program.js';

const sha256 = (data: string): string => createHash('sha256').update(data).digest('hex');
type Part = JobResult['parts'][number];

let home: string;
let server: Server;
let answer: JobResult;
let archive: Record<string, string>;
/** What the market says before that. */
let before: JobResult[] = [];

/** A market that may say anything: what it hands out is believed only as far as it hashes. */
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'muster-result-'));
  server = createServer((request, response) => {
    if (request.url?.startsWith('/api/v1/jobs/')) return void response.setHeader('content-type', 'application/json').end(JSON.stringify(before.shift() ?? answer));
    const tar = pack();
    for (const [name, text] of Object.entries(archive)) tar.entry({ name }, text);
    tar.finalize();
    tar.pipe(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterEach(async () => {
  server.close();
  await rm(home, { recursive: true, force: true });
});

const partOf = (part: Partial<Part>): Part => ({ task_id: randomUUID(), index: 0, label: '', result_hash: sha256(''), result: null, encoding: 'utf8', manifest: null, archive_url: null, ...part });

const resultOf = (parts: Part[], more: Partial<JobResult> = {}): JobResult => ({ job_id: randomUUID(), status: 'completed', complete: true, aggregate: null, parts, next: null, kept_until: null, ...more });

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const stdout = { write: (text: string | Uint8Array) => (said.out += Buffer.from(text as Uint8Array).toString()) };
  const stderr = { write: (text: string | Uint8Array) => (said.err += Buffer.from(text as Uint8Array).toString()) };
  const config = readConfig({ MUSTER_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, MUSTER_API_KEY: 'mst_x', HOME: home, MUSTER_HOME: home });
  const code = await runProgram(['result', randomUUID(), ...args], { config, io: createIo({ stdout, stderr, stdin: {}, noColor: true, self: 'muster' }) });
  return { code, ...said };
}

describe('a result', () => {
  it('of one task is printed as it is', async () => {
    answer = resultOf([partOf({ result: 'hello\n', result_hash: sha256('hello\n') })]);
    expect(await run()).toEqual({ code: EXIT.ok, out: 'hello\n', err: '' });
  });

  it('that is not what the nodes agreed on is neither printed nor kept', async () => {
    answer = resultOf([partOf({ result: 'goodbye\n', result_hash: sha256('hello\n') })]);
    expect(await run()).toMatchObject({ code: EXIT.failed, out: '' });
    expect((await run('-o', join(home, 'out'))).code).toBe(EXIT.failed);
    expect(await readdir(join(home, 'out'))).toEqual([]);
  });

  it('of many parts becomes files, and an index that says which is which', async () => {
    const parts = ['a', 'b'].map((text, index) => partOf({ index, label: `part ${text}`, result: text, result_hash: sha256(text) }));
    answer = resultOf(parts, { aggregate: { result: 'ab', encoding: 'utf8', sha256: sha256('ab'), size: 2, url: null } });
    expect((await run('-o', join(home, 'out'))).code).toBe(EXIT.ok);
    expect((await readdir(join(home, 'out'))).toSorted()).toEqual(['000000', '000001', 'aggregate', 'result.json']);
    expect(JSON.parse(await readFile(join(home, 'out', 'result.json'), 'utf8'))).toMatchObject({ complete: true, parts: [{ label: 'part a', path: '000000' }, { label: 'part b' }] });
    expect(await run()).toMatchObject({ code: EXIT.ok, out: 'ab' });
  });

  it('that is a folder is unpacked when archive, manifest and hash say the same, and not otherwise', async () => {
    const manifest: Manifest = { exit_code: 0, files: [{ path: 'dir/file', size: 4, sha256: sha256('fine') }] };
    archive = { 'dir/file': 'fine' };
    answer = resultOf([partOf({ manifest, result_hash: sha256(canonicalJson(manifest)), archive_url: '/archive.tar' })]);
    expect((await run()).code).toBe(EXIT.usage);
    expect((await run('-o', join(home, 'out'))).code).toBe(EXIT.ok);
    expect(await readFile(join(home, 'out', 'output', 'dir', 'file'), 'utf8')).toBe('fine');
    archive = { 'dir/file': 'evil' };
    expect((await run('-o', join(home, 'bad'))).code).toBe(EXIT.failed);
    answer = resultOf([partOf({ manifest, result_hash: sha256('another'), archive_url: '/archive.tar' })]);
    expect((await run('-o', join(home, 'worse'))).code).toBe(EXIT.failed);
    expect((await readdir(join(home, 'bad'), { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())).toEqual([]);
  });

  it('whose folder is being kept is waited for; of a job that failed there is what there is', async () => {
    const manifest: Manifest = { exit_code: 0, files: [{ path: 'file', size: 4, sha256: sha256('fine') }] };
    archive = { file: 'fine' };
    const part = partOf({ manifest, result_hash: sha256(canonicalJson(manifest)) });
    before = [resultOf([part], { complete: false }), resultOf([part], { complete: false })];
    answer = resultOf([{ ...part, archive_url: '/archive.tar' }]);
    expect((await run('-o', join(home, 'out'))).code).toBe(EXIT.ok);
    expect(before).toEqual([]);
    expect(await readFile(join(home, 'out', 'output', 'file'), 'utf8')).toBe('fine');
    answer = resultOf([partOf({ result: 'a', result_hash: sha256('a') }), partOf({ index: 1, result: 'b', result_hash: sha256('b') })], { status: 'failed', complete: false });
    expect((await run('-o', join(home, 'parts'))).code).toBe(EXIT.ok);
  });

  it('that is not there yet is refused', async () => {
    answer = resultOf([], { status: 'running', complete: false });
    expect(await run()).toMatchObject({ code: EXIT.refused, out: '' });
  });
});
