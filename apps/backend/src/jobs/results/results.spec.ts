import { randomBytes } from 'node:crypto';
import { sha256Hex } from '@muster/proof';
import { JOB_LIMITS, type ExecutionSpec } from '@muster/shared-types';
import { findVersitygw, startTestS3, waitFor, type TestS3 } from '@muster/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp } from '../../../test/app.js';
import { archiveOf, folderReport, JobWorld } from '../../../test/job-world.js';
import { HELLO, type SimulatedAgent } from '../../../test/simulated-agent.js';
import { ResultWork } from './result-work.js';
import { Retention } from './retention.js';
import { Storage } from '../../storage/storage.port.js';

const versitygw = await findVersitygw();
const LINES = Array.from({ length: 1_000 }, (_, n) => `line ${n} of a thousand\n`).join('');
const inlineOf = (spec: ExecutionSpec, path: string): string => {
  const input = spec.inputs.find((one) => one.path === path);
  return input?.kind === 'inline' ? Buffer.from(input.data, input.encoding).toString() : '';
};

const places: [string, boolean][] = [
  ['local folder', true],
  ['S3 (needs versitygw, which needs Go to be built)', versitygw !== undefined],
];

for (const [name, can] of places) describe.skipIf(!can)(`results in a ${name}`, () => {
  let world: JobWorld;
  let s3: TestS3 | undefined;
  beforeAll(async () => {
    if (name.startsWith('S3')) s3 = await startTestS3(versitygw ?? '');
    world = await JobWorld.start({ env: s3 ? { S3_ENDPOINT: s3.endpoint, S3_BUCKET: s3.bucket, S3_ACCESS_KEY_ID: s3.accessKeyId, S3_SECRET_ACCESS_KEY: s3.secretAccessKey } : {} });
  });
  afterAll(async () => {
    await world?.close();
    await s3?.stop();
  });
  beforeEach(() => world.runs(() => HELLO));

  it('1,000 lines split by ten: parts are readable while it runs, the whole is the plain computation', async () => {
    const upper = (spec: ExecutionSpec) => inlineOf(spec, 'lines.txt').toUpperCase();
    world.runs((spec) => (spec.task_index < 60 ? upper(spec) : null));
    const { id } = await world.submit({
      inputs: [{ kind: 'inline', path: 'lines.txt', data: LINES }], tasks: { kind: 'split', by: 'lines', path: 'lines.txt', chunk: 10 }, aggregate: { kind: 'concat' },
    });
    await world.until(id, (job) => job.progress.tasks_final >= 30);
    const partial = await world.result(id);
    expect(partial).toMatchObject({ complete: false, aggregate: null, kept_until: null });
    expect(partial.parts.length).toBeGreaterThanOrEqual(30);
    for (const { index, result } of partial.parts) expect(result).toBe(LINES.split('\n').slice(index * 10, index * 10 + 10).join('\n').toUpperCase() + '\n');
    world.runs(upper);
    for (const agent of world.agents) for (const spec of agent.executions.values()) await world.hand(agent, spec, upper(spec));
    const job = await world.ended(id);
    const whole = await world.result(id);
    expect(whole.complete).toBe(true);
    expect(whole.parts.map((part) => part.index)).toEqual(Array.from({ length: 100 }, (_, index) => index));
    expect(whole.aggregate).toMatchObject({ result: LINES.toUpperCase(), sha256: sha256Hex(LINES.toUpperCase()), size: LINES.length });
    expect(String(await world.download(whole.aggregate?.url))).toBe(LINES.toUpperCase());
    expect(job).toMatchObject({ result: LINES.toUpperCase(), result_hash: sha256Hex(LINES.toUpperCase()) });
  });

  it('an uploaded file reaches nodes as it is, and nobody else may name it', async () => {
    const bytes = randomBytes(150_000);
    const { body: upload } = await world.app.call('createUpload', { token: world.submitter.token, body: { size: bytes.length, sha256: sha256Hex(bytes) } });
    const inputs = [{ kind: 'upload' as const, path: 'data/blob', upload_id: upload.upload_id }];
    const body = { name: 'x', docker_image: 'workspace', inputs };
    const early = await world.app.call('createJob', { token: world.submitter.token, body });
    expect(early.body).toMatchObject({ code: 'invalid_request', errors: [{ path: 'body.inputs.0.upload_id' }] });
    const wrong = await fetch(world.reach(upload.put_url), { method: 'PUT', body: randomBytes(150_000), headers: upload.put_headers });
    expect(wrong.status).toBeGreaterThanOrEqual(400);
    const right = await fetch(world.reach(upload.put_url), { method: 'PUT', body: bytes, headers: upload.put_headers });
    expect(right.status).toBe(200);
    const stranger = await world.app.signUp();
    expect((await world.app.call('createJob', { token: stranger.token, body })).body.code).toBe('not_found');
    world.runs(() => null);
    const { id } = await world.submit({ inputs });
    const [spec] = await world.inHand(world.agents[0]!, id);
    expect((await world.read(spec?.inputs[0])).equals(bytes)).toBe(true);
    await world.app.call('cancelJob', { token: world.submitter.token, params: { job_id: id } });
  });

  it('s3 inputs: the shared folder of the bucket, and nothing else of it', async () => {
    const quote = async (url: string) => {
      const inputs = [{ kind: 's3', path: 'x', url, sha256: sha256Hex('shared') }];
      return (await world.app.call('quoteJob', { token: world.submitter.token, body: { name: 'x', docker_image: 'workspace', inputs } })).body;
    };
    await world.app.app.get(Storage).put('datasets/x', Buffer.from('shared'));
    for (const url of [`s3://${s3?.bucket}/inputs/x`, `s3://${s3?.bucket}/datasets`, 's3://elsewhere/datasets/x']) {
      expect(await quote(url), url).toMatchObject({ code: 'invalid_request', errors: [{ path: 'body.inputs.0.url', message: expect.stringContaining(s3 ? 'datasets/' : 'no bucket') }] });
    }
    if (!s3) return;
    world.runs(() => null);
    const { id } = await world.submit({ inputs: [{ kind: 's3', path: 'x', url: `s3://${s3.bucket}/datasets/x`, sha256: sha256Hex('shared') }] });
    const [spec] = await world.inHand(world.agents[0]!, id);
    expect(String(await world.read(spec?.inputs[0]))).toBe('shared');
    await world.app.call('cancelJob', { token: world.submitter.token, params: { job_id: id } });
  });

  it('a result folder: only an archive that holds the agreed files is believed, from whichever copy it came', async () => {
    const folder = { 'a.txt': 'hello\n', 'deep/b.bin': 'x'.repeat(100_000) };
    world.runs(() => null);
    const { id } = await world.submit({ outputs: '/output' });
    const [first, second, third] = world.agents.map((agent) => world.inHand(agent, id));
    const [one] = (await first) ?? [];
    const [two] = (await second) ?? [];
    const [three] = (await third) ?? [];
    const lie = await archiveOf({ ...folder, 'a.txt': 'hallo\n' });
    await world.handFolder(world.agents[0]!, one!, folder, lie);
    await world.handFolder(world.agents[1]!, two!, folder, null);
    await world.ended(id);
    expect(await world.page(id)).toMatchObject({ complete: false, parts: [{ result: null, archive_url: null, manifest: { exit_code: 0 } }] });
    await world.handFolder(world.agents[2]!, three!, folder, await archiveOf(folder));
    const { parts } = await world.complete(id);
    expect((await world.download(parts[0]?.archive_url)).equals(await archiveOf(folder))).toBe(true);
    // The link to upload is still good, but leads to a place that nobody reads any more.
    await fetch(world.reach(three!.upload_url ?? ''), { method: 'PUT', body: Uint8Array.from(lie) });
    const again = await world.result(id);
    expect((await world.download(again.parts[0]?.archive_url)).equals(await archiveOf(folder))).toBe(true);
  });

  it('a result folder that nobody brings is not waited for for ever', async () => {
    world.runs(() => null);
    const { id } = await world.submit({ outputs: '/output', redundancy: 2, consensus: 2, max_copies: 2 });
    const agents = await waitFor(() => {
      const having = world.agents.filter((agent) => [...agent.executions.values()].some((spec) => spec.job_id === id));
      return having.length === 2 ? having : undefined;
    }, { deadlineMs: 20_000, what: 'both copies' });
    for (const agent of agents) for (const spec of await world.inHand(agent, id)) await world.handFolder(agent, spec, { x: 'x' }, null);
    const { parts } = await world.complete(id);
    expect(parts).toMatchObject([{ archive_url: null, manifest: { files: [{ path: 'x' }] } }]);
  });

  it('a container aggregates: it sees every result by the index of its task', async () => {
    const long = 'y'.repeat(2_000);
    const seen = new Map<string, ExecutionSpec>();
    world.runs((spec) => {
      if (spec.task_index < 3) return `${spec.environment['SEED']}:${long}`;
      seen.set(spec.execution_id, spec);
      return 'sum\n';
    });
    const { id } = await world.submit({
      tasks: { kind: 'matrix', axes: { seed: ['a', 'b', 'c'] } }, aggregate: { kind: 'container', docker_image: 'workspace', command: ['sh', '-c', 'cat /input/*'] },
    });
    const job = await world.ended(id);
    expect(job).toMatchObject({ result: 'sum\n', result_hash: sha256Hex('sum\n'), progress: { tasks: 4, tasks_final: 4 } });
    const [spec] = seen.values();
    expect(spec).toMatchObject({ command: ['sh', '-c', 'cat /input/*'], task_index: 3 });
    expect(spec?.inputs.map((input) => input.path)).toEqual(['0', '1', '2']);
    expect(String(await world.read(spec?.inputs[1]))).toBe(`b:${long}`);
    const whole = await world.result(id);
    expect(whole.parts.map((part) => part.label)).toEqual(['seed=a', 'seed=b', 'seed=c']);
    expect(String(await world.download(whole.aggregate?.url))).toBe('sum\n');
    const { client } = world.app.db;
    expect((await client.ledgerAccount.findUniqueOrThrow({ where: { jobId: id } })).balance).toBeGreaterThanOrEqual(0n);
  });

  it('a container aggregates folders: each is an archive', async () => {
    world.runs(() => null);
    const { id } = await world.submit({
      outputs: '/output', redundancy: 1, consensus: 1, max_copies: 1, tasks: { kind: 'matrix', axes: { n: ['0', '1'] } }, aggregate: { kind: 'container', docker_image: 'workspace', command: ['merge'] },
    });
    const work = async (count: number): Promise<void> => {
      for (let done = 0; done < count; done += 1) {
        const { agent, spec } = await waitFor(() => {
          const having = world.agents.find((one) => [...one.executions.values()].some((own) => own.job_id === id));
          const found = having && [...having.executions.values()].find((own) => own.job_id === id);
          return found && { agent: having, spec: found };
        }, { deadlineMs: 20_000, what: 'work' });
        const folder = { 'out.txt': `task ${spec.task_index}` };
        if (spec.task_index === 2) expect((await world.read(spec.inputs[1])).equals(await archiveOf({ 'out.txt': 'task 1' }))).toBe(true);
        await world.handFolder(agent, spec, folder, await archiveOf(folder));
      }
    };
    await work(3);
    await world.ended(id);
    const { aggregate } = await world.complete(id);
    const archive = await world.download(aggregate?.url);
    expect(archive.equals(await archiveOf({ 'out.txt': 'task 2' }))).toBe(true);
    expect(aggregate).toMatchObject({ result: null, sha256: sha256Hex(archive), size: archive.length });
  });
});

describe('results', () => {
  let world: JobWorld;
  beforeAll(async () => {
    world = await JobWorld.start();
  });
  afterAll(() => world.close());
  beforeEach(() => world.runs(() => HELLO));

  const seeds = (count: number) => ({ kind: 'matrix' as const, axes: { seed: Array.from({ length: count }, (_, n) => String(n)) } });

  it('json_merge joins arrays, and merges objects with the later task winning; numbers stay as they were written', async () => {
    world.runs((spec) => (spec.task_index === 1 ? '[]' : `[${spec.task_index}, {"n": 1.50}]\n`));
    const arrays = await world.submit({ tasks: seeds(3), aggregate: { kind: 'json_merge' } });
    expect((await world.ended(arrays.id)).result).toBe('[0, {"n": 1.50},2, {"n": 1.50}]');
    world.runs((spec) => `{"all": ${spec.task_index}, "own ${spec.task_index}": 12345678901234567890}`);
    const objects = await world.submit({ tasks: seeds(2), aggregate: { kind: 'json_merge' } });
    expect((await world.ended(objects.id)).result).toBe('{"all":1,"own 0":12345678901234567890,"own 1":12345678901234567890}');
  });

  it.each([
    ['no JSON', () => 'plain text', 'Task 0 gave no JSON'],
    ['two kinds', (spec: ExecutionSpec) => (spec.task_index === 0 ? '{}' : '[]'), 'Task 1 gave an array where the tasks before it gave an object'],
  ])('json_merge of %s fails in words, and the parts stay', async (_what, play, words) => {
    world.runs(play);
    const { id } = await world.submit({ tasks: seeds(2), aggregate: { kind: 'json_merge' } });
    const job = await world.ended(id, 'failed');
    expect(job.fault).toEqual({ code: 'aggregate_failed', message: expect.stringContaining(words) });
    expect(await world.result(id)).toMatchObject({ complete: false, aggregate: null, parts: [{ index: 0 }, { index: 1 }] });
    await waitFor(async () => (await world.app.db.client.ledgerAccount.findUniqueOrThrow({ where: { jobId: id } })).balance === 0n, { deadlineMs: 20_000, what: 'the refund' });
  });

  it('are paged by number and by bytes', async () => {
    world.runs(() => null);
    const { id } = await world.submit({ tasks: seeds(20), redundancy: 1, consensus: 1, max_copies: 1 });
    const long = 'z'.repeat(JOB_LIMITS.resultBytes);
    const own = (agent: SimulatedAgent) => [...agent.executions.values()].filter((spec) => spec.job_id === id);
    await waitFor(async () => {
      // One at a time: together they would not fit into one message.
      for (const agent of world.agents) for (const spec of own(agent)) await world.hand(agent, spec, long);
      return (await world.job(id)).status === 'completed';
    }, { deadlineMs: 60_000, what: 'twenty long results' });
    const first = await world.page(id, { limit: 200 });
    expect(first.parts.map((part) => part.index)).toEqual(Array.from({ length: 16 }, (_, index) => index));
    const second = await world.page(id, { limit: 2, cursor: first.next ?? '' });
    expect(second.parts.map((part) => part.index)).toEqual([16, 17]);
    const third = await world.page(id, { cursor: second.next ?? '' });
    expect([third.parts.map((part) => part.index), third.next]).toEqual([[18, 19], null]);
    expect((await world.app.call('getJobResult', { token: world.submitter.token, params: { job_id: id }, query: { cursor: 'x' } })).body.code).toBe('invalid_request');
  });

  it('that are bytes come as bytes', async () => {
    const bytes = Buffer.from([0, 255, 254, 10]);
    world.runs(() => null);
    const { id } = await world.submit({ redundancy: 1, consensus: 1, max_copies: 1 });
    const agent = await waitFor(() => world.agents.find((one) => [...one.executions.values()].some((spec) => spec.job_id === id)), { deadlineMs: 20_000, what: 'work' });
    const [spec] = await world.inHand(agent, id);
    await agent.hand([{ ...folderReport(spec!, {}), manifest: null, result: bytes.toString('base64'), result_encoding: 'base64', result_hash: sha256Hex(bytes) }]);
    expect(await world.ended(id)).toMatchObject({ result: bytes.toString('base64'), result_encoding: 'base64', result_hash: sha256Hex(bytes) });
    expect((await world.result(id)).parts).toMatchObject([{ result: bytes.toString('base64'), encoding: 'base64' }]);
  });

  it('two replicas at the same aggregate make it once', async () => {
    world.runs((spec) => `${spec.task_index}\n`);
    const other = await createTestApp({ beside: world.app });
    try {
      const { id } = await world.submit({ tasks: seeds(5), aggregate: { kind: 'concat' } });
      const works = [world.app, other].map((app) => app.app.get(ResultWork, { strict: false }));
      const ended = world.ended(id);
      let over = false;
      const done = ended.finally(() => (over = true));
      while (!over) await Promise.all(works.map((work) => work.pass(new AbortController().signal)));
      expect((await done).result).toBe('0\n1\n2\n3\n4\n');
      expect(await world.app.db.client.outboxEvent.count({ where: { name: 'TaskCompletedEvent', aggregateId: id } })).toBe(1);
    } finally {
      await other.close();
    }
  });

  it('are deleted after their time with the inputs nobody needs, and the answer says so', async () => {
    const { body: upload } = await world.app.call('createUpload', { token: world.submitter.token, body: { size: 1, sha256: sha256Hex('x') } });
    await fetch(world.reach(upload.put_url), { method: 'PUT', body: 'x' });
    world.runs((spec) => (spec.inputs.length === 0 ? HELLO : null));
    const { id } = await world.submit({ tasks: seeds(2), aggregate: { kind: 'concat' } });
    const open = await world.submit({ inputs: [{ kind: 'upload', path: 'x', upload_id: upload.upload_id }] });
    await world.ended(id);
    const until = (await world.page(id)).kept_until;
    expect(Date.parse(until ?? '') - Date.parse((await world.job(id)).completed_at ?? '')).toBe(30 * 86_400_000);
    const storage = world.app.app.get(Storage);
    const retention = world.app.app.get(Retention, { strict: false });
    await retention.pass(new Date(Date.now() + 29 * 86_400_000));
    expect(await storage.stat(`aggregates/${id}`)).toBe(12);
    await retention.pass(new Date(Date.now() + 31 * 86_400_000));
    expect(await storage.stat(`aggregates/${id}`)).toBeUndefined();
    expect(await storage.stat(`inputs/${upload.upload_id}`)).toBe(1);
    const { status, body } = await world.app.call('getJobResult', { token: world.submitter.token, params: { job_id: id } });
    expect([status, body.code]).toEqual([410, 'result_expired']);
    expect(await world.app.db.client.jobExecution.count({ where: { jobId: id, result: { not: null } } })).toBe(0);
    await world.app.call('cancelJob', { token: world.submitter.token, params: { job_id: open.id } });
    await retention.pass(new Date(Date.now() + 31 * 86_400_000));
    expect(await storage.stat(`inputs/${upload.upload_id}`)).toBeUndefined();
    expect(await world.app.db.client.upload.count({ where: { id: upload.upload_id } })).toBe(0);
  });

  it('of another account are not found', async () => {
    const { id } = await world.submit({});
    await world.ended(id);
    const stranger = await world.app.signUp();
    expect((await world.app.call('getJobResult', { token: stranger.token, params: { job_id: id } })).body.code).toBe('not_found');
  });
});
