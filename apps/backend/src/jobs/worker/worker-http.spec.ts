import { sha256Hex } from '@muster/proof';
import { workerStatement, type ExecutionSpec, type JobSubmissionInput, type JobView } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../../test/app.js';
import { fund } from '../../../test/market-fixtures.js';
import { NodeKey, plainHeartbeat } from '../../../test/simulated-agent.js';

/** Machines that only speak HTTP: register, beat, ask for work, hand it in. */
let market: TestApp;
let submitter: TestAccount;
beforeAll(async () => {
  market = await createTestApp();
  submitter = await market.signUp();
  await fund(market.db.client, submitter.id, 100_000_000n);
});
afterAll(() => market.close());

const HELLO = 'hello\n';
interface Worker {
  nodeId: string;
  hostKey: string;
  owner: TestAccount;
}

async function worker(name: string, over: object = {}, owner?: TestAccount): Promise<Worker> {
  const account = owner ?? (await market.signUp());
  const { key } = await market.makeKey(account, { kind: 'host' });
  const { status, body } = await market.call('registerNode', { token: key, body: { name, cpu_cores: 2, memory_mb: 2_048, ...over } });
  expect(status, JSON.stringify(body)).toBe(201);
  expect(body).toMatchObject({ heartbeat_interval_s: 30, poll_interval_s: 10, lease_s: 90 });
  return { nodeId: body.node_id, hostKey: key, owner: account };
}

const poll = async ({ nodeId, hostKey }: Worker, limit = 1): Promise<ExecutionSpec[]> => {
  const { status, body } = await market.call('pendingJobs', { token: hostKey, params: { node_id: nodeId }, query: { limit } });
  expect(status, JSON.stringify(body)).toBe(200);
  return body.items;
};
const work = (one: Worker, limit = 1): Promise<ExecutionSpec[]> => waitFor(async () => {
  const items = await poll(one, limit);
  return items.length > 0 ? items : undefined;
}, { what: 'work', deadlineMs: 30_000 });
const hand = ({ nodeId, hostKey }: Worker, spec: ExecutionSpec, over: object = {}) =>
  market.call('reportResult', { token: hostKey, body: { execution_id: spec.execution_id, node_id: nodeId, result: HELLO, result_hash: sha256Hex(HELLO), logs: '', attempt: spec.attempt, ...over } });

async function submit(job: Partial<JobSubmissionInput>): Promise<JobView> {
  const { status, body } = await market.call('createJob', { token: submitter.token, body: { name: 'hello', docker_image: 'workspace', command: ['echo', 'hello'], ...job } });
  expect(status, JSON.stringify(body)).toBe(201);
  return body;
}
const ended = (id: string): Promise<JobView> => waitFor(async () => {
  const { body } = await market.call('getJob', { token: submitter.token, params: { job_id: id } });
  return ['completed', 'failed'].includes(body.status) ? body : undefined;
}, { what: 'the end of the job', deadlineMs: 30_000 });

it('three of them finish a job, each with one copy', async () => {
  const workers = await Promise.all(['a', 'b', 'c'].map((name) => worker(name, { capabilities: ['three'] })));
  const job = await submit({ capabilities: ['three'], consensus: 3 });
  for (const one of workers) {
    const beat = await market.call('heartbeat', { token: one.hostKey, params: { node_id: one.nodeId }, body: plainHeartbeat(one.nodeId) });
    expect(beat.body).toMatchObject({ ok: true, next_interval_ms: 30_000 });
    const [spec] = await work(one) as [ExecutionSpec];
    expect(spec).toMatchObject({ job_id: job.id, command: ['echo', 'hello'], lease_s: 90, upload_url: null, outputs: null });
    // An answer that was lost is given again; nobody else's copy is.
    expect(await poll(one, 5)).toEqual([spec]);
    expect((await hand(one, spec)).body).toEqual({ execution_id: spec.execution_id, outcome: 'counted' });
    expect((await hand(one, spec)).body).toMatchObject({ outcome: 'duplicate' });
  }
  expect((await ended(job.id)).result).toBe(HELLO);
  const nodes = await market.db.client.hostNode.findMany({ where: { id: { in: workers.map((one) => one.nodeId) } } });
  expect(nodes.map((node) => [node.reputationScore, node.cpuUsed, node.transport])).toEqual([[105, 0, 'http'], [105, 0, 'http'], [105, 0, 'http']]);
});

it('the same name is the same machine; it is never for rent, and no agent’s', async () => {
  const one = await worker('twice');
  const again = await market.call('registerNode', { token: one.hostKey, body: { name: 'twice', cpu_cores: 8, memory_mb: 4_096, geolocation: 'DE' } });
  expect(again.body.node_id).toBe(one.nodeId);
  const { body } = await market.call('getNode', { token: one.owner.token, params: { node_id: one.nodeId } });
  expect(body).toMatchObject({ cpu_cores: 8, geolocation: 'DE', lifecycle: 'verified', presence: 'online', listing: 'listed' });
  const offers = (await market.call('searchOffers', { query: { limit: 200 } })).body.items;
  expect(offers.filter((offer: { node_id: string }) => offer.node_id === one.nodeId)).toEqual([]);
  const stranger = await worker('stranger');
  expect((await market.call('pendingJobs', { token: stranger.hostKey, params: { node_id: one.nodeId } })).body.code).toBe('not_found');
});

it('with a key every result must be signed, and a wrong one costs nothing', async () => {
  const key = new NodeKey();
  const one = await worker('signed', { capabilities: ['signed'], public_key: key.publicKey });
  const job = await submit({ capabilities: ['signed'], redundancy: 1, consensus: 1 });
  const [spec] = await work(one) as [ExecutionSpec];
  expect((await hand(one, spec)).body.code).toBe('bad_signature');
  const signature = key.sign(workerStatement({ ...spec, result_hash: sha256Hex(HELLO) }));
  expect((await hand(one, spec, { signature, result: 'other\n' })).body.code).toBe('bad_result');
  expect((await hand(one, spec, { signature, attempt: 2 })).body.code).toBe('bad_signature');
  expect((await hand(one, spec, { signature: key.sign(workerStatement({ ...spec, attempt: 2, result_hash: sha256Hex(HELLO) })), attempt: 2 })).body.code).toBe('stale_message');
  expect((await hand(one, spec, { signature })).status).toBe(200);
  expect((await ended(job.id)).result).toBe(HELLO);
  const other = await market.call('registerNode', { token: one.hostKey, body: { name: 'signed', cpu_cores: 2, memory_mb: 2_048, public_key: new NodeKey().publicKey } });
  expect(other.body.code).toBe('node_key_taken');
});

it('a program that fails says so', async () => {
  const one = await worker('failing', { capabilities: ['failing'] });
  const job = await submit({ capabilities: ['failing'], redundancy: 1, consensus: 1 });
  const [spec] = await work(one) as [ExecutionSpec];
  const error = { code: 'exit_code', blame: 'job', message: 'The program ended with exit code 3' };
  expect((await hand(one, spec, { result: null, result_hash: null, exit_code: 3, error })).status).toBe(200);
  expect(await ended(job.id)).toMatchObject({ status: 'failed', fault: { code: 'exit_code', message: 'The program ended with exit code 3' } });
});
