import { createHash } from 'node:crypto';
import type { JobSubmissionInput } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type Answer, type TestAccount, type TestApp } from '../../test/app.js';
import { fund, makeNode, makeUser } from '../../test/market-fixtures.js';
import { FakeClock } from '../platform/clock.js';
import { Storage } from '../storage/storage.port.js';

const clock = new FakeClock(new Date('2026-03-01T12:00:00Z'));
let market: TestApp;
let ada: TestAccount;
let hosts: { ownerId: string; nodeId: string }[];
beforeAll(async () => {
  market = await createTestApp({ clock, env: { MUSTER_ROLES: 'api' } });
  hosts = await Promise.all([1, 2].map(async () => {
    const ownerId = await makeUser(market.db.client);
    return { ownerId, nodeId: await makeNode(market.db.client, { ownerId }) };
  }));
  ada = await market.signUp();
  await fund(market.db.client, ada.id, 100_000_000n, clock.now());
});
afterAll(() => market.close());

const HELLO: JobSubmissionInput = { name: 'hello', docker_image: 'workspace', command: ['echo', 'hello'] };
const submit = (job: object = {}): Promise<Answer> => market.call('createJob', { token: ada.token, body: { ...HELLO, ...job } });
const quote = (job: object = {}): Promise<Answer> => market.call('quoteJob', { token: ada.token, body: { ...HELLO, ...job } });
const of = (name: 'getJob' | 'listTasks' | 'listExecutions', jobId: string, query: Record<string, string | number> = {}): Promise<Answer> =>
  market.call(name, { token: ada.token, params: { job_id: jobId }, query });

/** All items of a list, two at a time. */
async function everything(ask: (query: Record<string, string | number>) => Promise<Answer>): Promise<Record<string, unknown>[]> {
  const items: Record<string, unknown>[] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { status, body }: Answer = await ask({ limit: 2, ...(cursor === '' ? {} : { cursor }) });
    expect(status, JSON.stringify(body)).toBe(200);
    items.push(...body.items);
    cursor = body.next;
  }
  return items;
}

describe('a quote', () => {
  it('says what it could cost at most, who fits, and writes nothing', async () => {
    const before = await market.db.client.job.count();
    const { status, body } = await quote();
    expect(status).toBe(200);
    expect(body).toMatchObject({ tasks: 1, nodes_fitting: 2, owners_fitting: 2, nodes_free_now: 2, distinct_by: 'owner', can_start: true, waiting_for: null, dph_per_execution: '0.012636', max_charge_usd: '0.007371' });
    expect(body.warnings).toEqual(['3 copies are wanted and 2 owners fit: the ones there are must agree']);
    expect(await market.db.client.job.count()).toBe(before);
  });

  it('says what a job would wait for, and the submission says it too', async () => {
    const wish = { redundancy: 3, consensus: 3 };
    expect((await quote(wish)).body).toMatchObject({ can_start: false, waiting_for: { code: 'too_few_owners', message: expect.stringMatching(/^Needs 3 owners, 2 are there: add a machine of another owner/) } });
    expect((await submit(wish)).body.waiting_for.code).toBe('too_few_owners');
    expect((await quote({ capabilities: ['model:llama'] })).body).toMatchObject({ nodes_fitting: 0, waiting_for: { code: 'no_node_fits', message: expect.stringContaining('model:llama') } });
  });

  it('refuses a limit under which no two of the nodes that fit would run it, with what would do', async () => {
    const { status, body } = await quote({ max_price_usd: '0.001' });
    expect([status, body.code]).toEqual([422, 'hold_too_small']);
    expect(body.facts.needed_usd).toBe('0.007371');
    expect((await quote({ max_price_usd: body.facts.needed_usd })).status).toBe(200);
    expect((await submit({ max_price_usd: '0' })).body.code).toBe('hold_too_small');
  });
});

describe('jobs of an account', () => {
  it('come newest first, page by page, by status and by part of the name', async () => {
    const names: string[] = [];
    for (const n of [1, 2, 3, 4, 5]) {
      clock.advance(n === 3 ? 0 : 1_000);
      await submit({ name: `Paging ${n}` });
      names.unshift(`Paging ${n}`);
    }
    const found = await everything((query) => market.call('listJobs', { token: ada.token, query: { ...query, name: 'paging' } }));
    expect(found.map((job) => job['name'])).toEqual(names);
    expect(await everything((query) => market.call('listJobs', { token: ada.token, query: { ...query, name: '100%' } }))).toEqual([]);
    expect(await everything((query) => market.call('listJobs', { token: ada.token, query: { ...query, status: 'failed' } }))).toEqual([]);
    expect((await market.call('listJobs', { token: (await market.signUp()).token })).body.items).toEqual([]);
    expect((await market.call('listJobs', { token: ada.token, query: { cursor: 'x' } })).body.code).toBe('invalid_request');
  });

  it('show their tasks with votes, and every run, page by page', async () => {
    const { body: job } = await submit({ tasks: { kind: 'matrix', axes: { seed: ['1', '2', '3'] } } });
    const [x, y] = ['x', 'y'].map((text) => createHash('sha256').update(text).digest('hex')) as [string, string];
    const first = await market.db.client.task.findFirstOrThrow({ where: { jobId: job.id, index: 0 } });
    for (const [copy, host] of hosts.entries()) {
      await market.db.client.jobExecution.updateMany({ where: { taskId: first.id, copy }, data: { ...host, distinctKey: host.ownerId, status: 'reported', resultHash: copy === 0 ? x : y, result: Buffer.from([0xff, copy]), startedAt: clock.now() } });
    }
    const tasks = await everything((query) => of('listTasks', job.id, query));
    expect(tasks.map((task) => [task['index'], task['label'], (task['votes'] as { count: number }[]).map((vote) => vote.count)])).toEqual([[0, 'seed=1', [1, 1]], [1, 'seed=2', []], [2, 'seed=3', []]]);
    const runs = await everything((query) => of('listExecutions', job.id, query));
    expect(runs.map((run) => [run['task_index'], run['copy']])).toEqual([0, 1, 2].flatMap((task) => [0, 1, 2].map((copy) => [task, copy])));
    expect(runs[1]).toMatchObject({ status: 'reported', result: '/wE=', result_encoding: 'base64', node_id: hosts[1]?.nodeId, paid_usd: '0.000000' });
    expect((await everything((query) => of('listExecutions', job.id, { ...query, task: 2 }))).map((run) => run['task_index'])).toEqual([2, 2, 2]);
    expect((await of('getJob', job.id)).body.progress).toEqual({ tasks: 3, tasks_final: 0, tasks_failed: 0, executions_running: 0, executions_reported: 2 });
  });
});

describe('inputs', () => {
  it('split by lines lie with their tasks, long ones as uploads; put together they are the whole', async () => {
    const list = Array.from({ length: 25 }, (_, n) => `line ${n} ${'é'.repeat(n === 7 ? 40_000 : 3)}\n`).join('');
    const { status, body } = await submit({ input_data: list, tasks: { kind: 'split', by: 'lines', path: 'data', chunk: 5 } });
    expect(status, JSON.stringify(body)).toBe(201);
    expect(body).toMatchObject({ input_data: null, progress: { tasks: 5 } });
    const tasks = await market.db.client.task.findMany({ where: { jobId: body.id }, orderBy: { index: 'asc' } });
    expect(tasks.map((task) => task.label)).toEqual(['lines 1–5', 'lines 6–10', 'lines 11–15', 'lines 16–20', 'lines 21–25']);
    const parts: string[] = [];
    for (const { part } of tasks) parts.push(await textOf(part as { data?: string; upload_id?: string }));
    expect(parts.join('')).toBe(list);
    expect(tasks.filter((task) => 'upload_id' in (task.part as object)).map((task) => task.index)).toEqual([1]);
  });

  it('that are long become uploads of the submitter, so that the job stays light', async () => {
    const { body } = await submit({ inputs: [{ kind: 'inline', path: 'big', data: 'x'.repeat(100_000) }, { kind: 'inline', path: 'small', data: 'y' }] });
    expect(body.inputs.map((input: { kind: string; path: string }) => [input.kind, input.path])).toEqual([['upload', 'big'], ['inline', 'small']]);
    expect((await submit({ input_data: 'z'.repeat(70_000) })).body).toMatchObject({ input_data: null, inputs: [{ kind: 'upload', path: 'data' }] });
  });

  it('may be some megabytes together, and no more', async () => {
    const data = 'x'.repeat(1_900_000);
    expect((await submit({ inputs: [{ kind: 'inline', path: 'a', data }, { kind: 'inline', path: 'b', data }] })).status).toBe(201);
    const { status, body } = await submit({ inputs: [{ kind: 'inline', path: 'a', data: 'x'.repeat(4_000_001) }] });
    expect([status, body.errors[0].path]).toEqual([422, 'body.inputs.0.data']);
    expect((await submit({ inputs: Array.from({ length: 4 }, (_, n) => ({ kind: 'inline', path: `a${n}`, data })) })).body.code).toBe('payload_too_large');
    expect((await market.call('addSshKey', { token: ada.token, body: { name: 'x', public_key: data } })).body.code).toBe('payload_too_large');
  });

  it('name uploads only of the same account, and only such as are there', async () => {
    const { body: upload } = await market.call('createUpload', { token: ada.token, body: { size: 1, sha256: 'a'.repeat(64) } });
    const job = { inputs: [{ kind: 'upload', path: 'a', upload_id: upload.upload_id }] };
    expect((await submit(job)).body.errors).toEqual([{ path: 'body.inputs.0.upload_id', message: 'nothing was uploaded to it yet' }]);
    const eve = await market.signUp();
    expect((await market.call('createJob', { token: eve.token, body: { ...HELLO, ...job } })).body.code).toBe('not_found');
  });

  const textOf = async (part: { data?: string; upload_id?: string }): Promise<string> => {
    if (part.data !== undefined) return part.data;
    const stored = await market.app.get(Storage).get(`inputs/${part.upload_id}`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of stored?.body ?? []) chunks.push(chunk as Uint8Array);
    return Buffer.concat(chunks).toString('utf8');
  };
});

describe('credits', () => {
  it('are those of an account, of each of its nodes, and on the wall unless their owner opted out', async () => {
    const host = await market.signUp();
    const nodeId = await makeNode(market.db.client, { ownerId: host.id });
    await market.db.client.hostNode.update({ where: { id: nodeId }, data: { creditsEarned: 12_345n, successfulJobsRun: 3, totalJobsRun: 4, failedJobs: 1 } });
    const credits = (owner: string, token = host.token) => market.call('getCredits', { token, params: { owner } });
    expect((await credits('me')).body).toMatchObject({ owner: host.id, kind: 'account', credits: 12.345, earned_usd: '0.012345', nodes: [{ node_id: nodeId, executions_valid: 3, executions_invalid: 1, credits: 12.345 }] });
    expect((await credits(nodeId)).body).toMatchObject({ owner: nodeId, kind: 'node', credits: 12.345 });
    for (const owner of [nodeId, host.id]) expect((await credits(owner, ada.token)).body.code).toBe('not_found');
    expect((await market.call('listContributors')).body.items).toEqual([{ owner: `contributor-${host.id.slice(-8)}`, nodes: 1, executions_valid: 3, credits: 12.345, since: expect.any(String) }]);
    expect((await market.call('setWall', { token: host.token, body: { shown: true, name: ' Ada’s lab ' } })).body).toEqual({ shown: true, name: 'Ada’s lab' });
    expect((await market.call('listContributors')).body.items[0].owner).toBe('Ada’s lab');
    await market.call('setWall', { token: host.token, body: { shown: false } });
    expect((await market.call('listContributors')).body.items).toEqual([]);
  });
});

it('nodes of the market are seen by everybody, without what only their owner may see', async () => {
  const { body } = await market.call('listNodes', { token: ada.token, query: { of: 'market', limit: 200 } });
  expect(body.items.map((node: { id: string }) => node.id)).toEqual(expect.arrayContaining(hosts.map((host) => host.nodeId)));
  expect(JSON.stringify(body)).not.toContain(hosts[0]?.ownerId);
  expect((await market.call('listNodes', { token: ada.token })).body.items).toEqual([]);
});
