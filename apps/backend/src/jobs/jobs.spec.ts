import { sha256Hex } from '@muster/proof';
import type { ExecutionSpec, ExecutionView, JobSubmissionInput, JobView } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { fund } from '../../test/market-fixtures.js';
import { reportOf, SimulatedAgent, simulatedGpu, simulatedInventory, type Played } from '../../test/simulated-agent.js';
import { ControlOutage } from '../agents/control-outage.js';
import { checkLedger } from '../ledger/check.js';
import { LeaseExpiry } from './schedule/expiry.js';

/** Verified jobs from submission to money, on the real gateway, with agents that play their part. */
let market: TestApp;
beforeAll(async () => {
  market = await createTestApp({ env: { MUSTER_DATABASE_POOL: '12' } });
});
afterAll(() => market.close());

/** On a busy machine a test lasts longer than a silence may. */
const BEAT_MS = 3_000;
const HELLO = 'hello\n';
const LIE = 'a lie\n';
const ECHO: JobSubmissionInput = { name: 'hello', docker_image: 'workspace', command: ['echo', 'hello'] };
type Runs = (spec: ExecutionSpec) => Played;
const honest: Runs = () => HELLO;
const liar: Runs = () => LIE;
const silent: Runs = () => null;

let submitter: TestAccount;
beforeAll(async () => {
  submitter = await market.signUp();
  await fund(market.db.client, submitter.id, 1_000_000_000n);
});

let cast: SimulatedAgent[] = [];
afterEach(async () => {
  for (const agent of cast) agent.close();
  // Nodes that only played in one test get nothing of the next one.
  await market.db.client.hostNode.updateMany({ where: { id: { in: cast.map((agent) => agent.nodeId) } }, data: { listing: 'unlisted' } });
  cast = [];
  expect((await checkLedger(market.db.client)).filter((check) => !check.ok)).toEqual([]);
});

let words = 0;
/** One node per way of running, each of an owner of its own unless one is given, told apart from others by a word that the job asks for. */
async function nodes(runs: readonly Runs[], owner?: TestAccount): Promise<{ word: string; agents: SimulatedAgent[] }> {
  const word = `cast-${(words += 1)}`;
  const agents = await Promise.all(runs.map((run) => node(word, run, owner)));
  return { word, agents };
}

async function node(word: string, run: Runs, owner?: TestAccount): Promise<SimulatedAgent> {
  const agent = await SimulatedAgent.listed(market, owner ?? (await market.signUp()), { inventory: simulatedInventory({ capabilities: [word] }) });
  agent.runs = run;
  agent.beatEvery(BEAT_MS);
  cast.push(agent);
  return agent;
}

const view = async (id: string): Promise<JobView> => (await market.call('getJob', { token: submitter.token, params: { job_id: id } })).body;
const executions = async (id: string): Promise<ExecutionView[]> => (await market.call('listExecutions', { token: submitter.token, params: { job_id: id }, query: { limit: 200 } })).body.items;

async function submit(job: Partial<JobSubmissionInput>): Promise<JobView> {
  const { status, body } = await market.call('createJob', { token: submitter.token, body: { ...ECHO, ...job } });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body;
}

const until = <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => waitFor(look, { what, deadlineMs: 30_000 });
const ended = (id: string): Promise<JobView> =>
  until('the end of the job', async () => {
    const job = await view(id);
    return ['completed', 'failed', 'cancelled'].includes(job.status) ? job : undefined;
  });

const reputations = (agents: readonly SimulatedAgent[]): Promise<number[]> =>
  Promise.all(agents.map(async (agent) => (await market.db.client.hostNode.findUniqueOrThrow({ where: { id: agent.nodeId } })).reputationScore));

/** What was under way when the job ended has come back too, and so has the rest of the money. */
const settled = (id: string): Promise<true> =>
  until('every copy and the escrow', async () => {
    const open = await market.db.client.jobExecution.count({ where: { jobId: id, status: { in: ['leased', 'running', 'ready'] } } });
    const escrow = await market.db.client.ledgerAccount.findUniqueOrThrow({ where: { jobId: id } });
    return open === 0 && escrow.balance === 0n ? true : undefined;
  });

/** Its lease has ended: as if its node had been silent for as long. */
const endLeases = async (nodeId: string): Promise<void> => {
  // The start of this market is an outage of its own, and for a minute after one no lease ends.
  await market.db.client.controlPlaneOutage.deleteMany();
  await market.app.get(ControlOutage).tick();
  await market.db.client.jobExecution.updateMany({ where: { nodeId, status: { in: ['leased', 'running'] } }, data: { leaseUntil: new Date(Date.now() - 1) } });
  await market.app.get(LeaseExpiry).pass();
};

const inHand = (agent: SimulatedAgent): Promise<ExecutionSpec> => until('an order to run', async () => [...agent.executions.values()][0]);

describe('votes', () => {
  it('of three owners who agree: five points each, their pay, and the rest of the money back', async () => {
    const { word, agents } = await nodes([honest, honest, honest]);
    const job = await submit({ capabilities: [word] });
    expect(await ended(job.id)).toMatchObject({ status: 'completed', result: HELLO, result_hash: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03', waiting_for: null });
    await settled(job.id);
    expect(await reputations(agents)).toEqual([105, 105, 105]);
    const runs = await executions(job.id);
    expect(runs.map((run) => run.verdict).toSorted().join()).toMatch(/^(late_valid,valid,valid|valid,valid,valid)$/);
    for (const run of runs) expect(run).toMatchObject({ status: 'reported', reputation_delta: 5, paid_usd: '0.000003' });
    const counters = await market.db.client.hostNode.findUniqueOrThrow({ where: { id: agents[0]?.nodeId ?? '' } });
    expect(counters).toMatchObject({ totalJobsRun: 1, successfulJobsRun: 1, failedJobs: 0, cpuUsed: 0, ramMbUsed: 0, diskGbUsed: 0 });
    expect(counters.creditsEarned).toBe(3n);
  });

  it('of whom one lies: the truth wins, and the liar loses ten points', async () => {
    const { word, agents } = await nodes([honest, honest, liar]);
    const job = await submit({ capabilities: [word] });
    expect((await ended(job.id)).result_hash).toBe(sha256Hex(HELLO));
    await settled(job.id);
    expect(await reputations(agents)).toEqual([105, 105, 90]);
    expect((await executions(job.id)).find((run) => run.verdict === 'invalid')).toMatchObject({ paid_usd: '0.000000', reputation_delta: -10 });
  });

  it('of two liars with one owner cannot win: he has one copy', async () => {
    const { word } = await nodes([honest, honest]);
    const cheat = await market.signUp();
    const cheats = [await node(word, liar, cheat), await node(word, liar, cheat)];
    const job = await submit({ capabilities: [word] });
    expect((await ended(job.id)).result).toBe(HELLO);
    await settled(job.id);
    expect(cheats.flatMap((agent) => agent.ordered)).toHaveLength(1);
  });

  it('that differ: more copies are made, up to the most there may be, and those who were wrong pay for it', async () => {
    const { word, agents } = await nodes([() => 'one\n', () => 'two\n', () => 'three\n', honest, honest]);
    const job = await submit({ capabilities: [word], max_copies: 5 });
    expect((await ended(job.id)).result).toBe(HELLO);
    await settled(job.id);
    const scores = await reputations(agents);
    expect(scores.slice(3)).toEqual([105, 105]);
    // Who was asked at all is up to chance; one at least was, since three copies were made at first.
    expect(scores.slice(0, 3).filter((score) => score === 90).length).toBeGreaterThanOrEqual(1);
    expect(scores.slice(0, 3).every((score) => score === 90 || score === 100)).toBe(true);
  });

  it('that differ again and again: the program is to blame, and nobody pays or is paid', async () => {
    const { word, agents } = await nodes([() => 'one\n', () => 'two\n', () => 'three\n']);
    const job = await submit({ capabilities: [word], max_copies: 3 });
    expect(await ended(job.id)).toMatchObject({ status: 'failed', fault: { code: 'nondeterministic' } });
    await settled(job.id);
    expect(await reputations(agents)).toEqual([100, 100, 100]);
    expect((await view(job.id)).paid_usd).toBe('0.000000');
    expect(agents.map((agent) => agent.ordered.length)).toEqual([2, 2, 2]);
  });

  it('within a tolerance count as one', async () => {
    const { word, agents } = await nodes([() => '{"loss": 0.1250001}', () => '{"loss": 0.125}', () => '{"loss": 9}']);
    const job = await submit({ capabilities: [word], compare: { kind: 'tolerance', atol: 0.001, rtol: 0 } });
    expect((await ended(job.id)).status).toBe('completed');
    await settled(job.id);
    expect(await reputations(agents)).toEqual([105, 105, 90]);
  });

  it('of the submitter himself earn neither money nor a name', async () => {
    const { word, agents } = await nodes([honest, honest]);
    const own = await node(word, honest, submitter);
    const job = await submit({ capabilities: [word], consensus: 3 });
    expect((await ended(job.id)).status).toBe('completed');
    await settled(job.id);
    expect(await reputations([...agents, own])).toEqual([105, 105, 100]);
    expect((await executions(job.id)).find((run) => run.node_id === own.nodeId)).toMatchObject({ verdict: 'valid', paid_usd: '0.000000', reputation_delta: 0 });
  });
});

describe('a job waits and says for what', () => {
  it('with one owner', async () => {
    const owner = await market.signUp();
    const { word } = await nodes([honest, honest, honest], owner);
    const job = await submit({ capabilities: [word] });
    const reason = await until('a reason', async () => (await view(job.id)).waiting_for ?? undefined);
    expect(reason.code).toBe('too_few_owners');
    expect(reason.message).toMatch(/Needs 2 owners, 1 is there/);
    await node(word, honest);
    expect((await ended(job.id)).waiting_for).toBeNull();
    await settled(job.id);
  });

  it('with nothing that fits', async () => {
    const job = await submit({ capabilities: ['cast-nobody'] });
    expect((await until('a reason', async () => (await view(job.id)).waiting_for ?? undefined)).code).toBe('no_node_fits');
    await market.call('cancelJob', { token: submitter.token, params: { job_id: job.id } });
    await settled(job.id);
  });

  it('and takes no other job with it', async () => {
    const { word } = await nodes([honest, honest, honest]);
    const stuck = await submit({ capabilities: ['cast-nobody'], tasks: { kind: 'matrix', axes: { n: Array.from({ length: 100 }, (_, n) => String(n)) } } });
    const job = await submit({ capabilities: [word] });
    expect((await ended(job.id)).status).toBe('completed');
    await settled(job.id);
    await market.call('cancelJob', { token: submitter.token, params: { job_id: stuck.id } });
    await settled(stuck.id);
  });
});

describe('a lease', () => {
  it('ends when its node is silent, and the copy goes elsewhere; the late report changes nothing', async () => {
    const { word, agents } = await nodes([silent]);
    const [quiet] = agents as [SimulatedAgent];
    quiet.namesExecutions = false;
    const job = await submit({ capabilities: [word], redundancy: 1, consensus: 1 });
    const first = await inHand(quiet);
    const other = await node(word, honest);
    await market.call('drainNode', { token: quiet.owner.token, params: { node_id: quiet.nodeId } });
    await endLeases(quiet.nodeId);
    expect((await ended(job.id)).status).toBe('completed');
    expect(other.ordered).toMatchObject([{ attempt: 2 }]);
    const late = await quiet.hand([reportOf(first, LIE)]);
    expect(late).toMatchObject({ ok: true, outcomes: [{ execution_id: first.execution_id, outcome: 'stale' }] });
    await settled(job.id);
    expect(await reputations([quiet, other])).toEqual([100, 105]);
    expect((await executions(job.id)).map((run) => [run.attempt, run.status]).toSorted()).toEqual([[1, 'expired'], [2, 'reported']]);
  });

  it('goes on while its node names it', async () => {
    const { word, agents } = await nodes([silent]);
    const [slow] = agents as [SimulatedAgent];
    const job = await submit({ capabilities: [word], redundancy: 1, consensus: 1 });
    const spec = await inHand(slow);
    await slow.beat();
    await endLeases(slow.nodeId);
    const [row] = await executions(job.id);
    expect(row).toMatchObject({ id: spec.execution_id, status: 'leased', attempt: 1 });
    expect(await slow.hand([reportOf(spec, HELLO)])).toMatchObject({ outcomes: [{ outcome: 'counted' }] });
    expect((await ended(job.id)).status).toBe('completed');
    await settled(job.id);
  });

  it('is told again at every connect', async () => {
    const { word, agents } = await nodes([silent]);
    const [agent] = agents as [SimulatedAgent];
    const job = await submit({ capabilities: [word], redundancy: 1, consensus: 1 });
    const spec = await inHand(agent);
    agent.close();
    agent.executions.clear();
    agent.runs = honest;
    await agent.connect();
    agent.beatEvery(BEAT_MS);
    expect((await ended(job.id)).status).toBe('completed');
    expect(agent.ordered.map((one) => [one.execution_id, one.attempt])).toEqual([[spec.execution_id, 1], [spec.execution_id, 1]]);
    await settled(job.id);
  });

  it('that its node refuses goes to another one', async () => {
    const { word, agents } = await nodes([silent]);
    const [picky] = agents as [SimulatedAgent];
    const job = await submit({ capabilities: [word], redundancy: 1, consensus: 1 });
    const spec = await inHand(picky);
    await node(word, honest);
    await picky.send('task_update', { updates: [{ execution_id: spec.execution_id, attempt: 1, phase: 'refused', detail: 'no room' }] });
    expect((await ended(job.id)).status).toBe('completed');
    await settled(job.id);
  });

  it('survives the end of the whole market', async () => {
    const { word, agents } = await nodes([silent, silent, silent]);
    const job = await submit({ capabilities: [word] });
    await Promise.all(agents.map(inHand));
    for (const agent of agents) agent.close();
    const beside = await createTestApp({ beside: market, env: { MUSTER_DATABASE_POOL: '12' } });
    for (const agent of agents) {
      agent.executions.clear();
      agent.runs = honest;
      await agent.connect(beside.url);
      agent.beatEvery(BEAT_MS);
    }
    expect((await ended(job.id)).status).toBe('completed');
    await settled(job.id);
    await beside.close();
  });
});

describe('a report', () => {
  it('counts once, whatever is sent again', async () => {
    const { word, agents } = await nodes([silent, silent, silent]);
    const job = await submit({ capabilities: [word] });
    const [agent] = agents as [SimulatedAgent];
    const spec = await inHand(agent);
    const batch = agent.signed([reportOf(spec, HELLO), reportOf(spec, LIE)]);
    expect((await agent.send('task_results', batch)).outcomes.map((one: { outcome: string }) => one.outcome)).toEqual(['counted', 'duplicate']);
    expect((await agent.send('task_results', batch)).outcomes.map((one: { outcome: string }) => one.outcome)).toEqual(['duplicate', 'duplicate']);
    expect(await agent.hand([reportOf(spec, LIE)])).toMatchObject({ outcomes: [{ outcome: 'duplicate' }] });
    expect(await agent.hand([reportOf(spec, LIE)], { seq: batch.seq })).toMatchObject({ outcomes: [{ outcome: 'refused' }] });
    for (const other of agents.slice(1)) await other.hand([reportOf(await inHand(other), HELLO)]);
    expect((await ended(job.id)).result).toBe(HELLO);
    await settled(job.id);
    expect(await reputations(agents)).toEqual([105, 105, 105]);
  });

  it('of another node, another attempt or with another signature does not', async () => {
    const { word, agents } = await nodes([silent, silent]);
    const job = await submit({ capabilities: [word], redundancy: 1, consensus: 1 });
    const [holder, other] = await until('an order to run', async () => (agents[0]?.executions.size ? agents : agents[1]?.executions.size ? agents.toReversed() : undefined)) as [SimulatedAgent, SimulatedAgent];
    const spec = await inHand(holder);
    expect(await other.hand([reportOf(spec, LIE)])).toMatchObject({ outcomes: [{ outcome: 'unknown' }] });
    expect(await holder.hand([reportOf({ ...spec, attempt: 2 }, LIE)])).toMatchObject({ outcomes: [{ outcome: 'stale' }] });
    const good = holder.signed([reportOf(spec, HELLO)]);
    for (const bent of [{ ...good, signature: other.signed([reportOf(spec, HELLO)]).signature }, { ...good, results: [reportOf(spec, LIE)] }, { ...good, count: 2 }, { ...good, seq: good.seq + 1 }]) {
      expect(await holder.send('task_results', bent)).toMatchObject({ ok: false, problem: { code: 'bad_signature' } });
    }
    expect(await other.send('task_results', good)).toMatchObject({ ok: false, problem: { code: 'not_found' } });
    expect(await holder.send('task_results', good)).toMatchObject({ outcomes: [{ outcome: 'counted' }] });
    expect((await ended(job.id)).result).toBe(HELLO);
    await settled(job.id);
  });

  it('that does not match its own hash is the fault of its node', async () => {
    const { word, agents } = await nodes([silent]);
    const [agent] = agents as [SimulatedAgent];
    const job = await submit({ capabilities: [word], redundancy: 1, consensus: 1 });
    const spec = await inHand(agent);
    await node(word, honest);
    expect(await agent.hand([reportOf(spec, HELLO, { result: LIE })])).toMatchObject({ outcomes: [{ outcome: 'refused' }] });
    expect((await ended(job.id)).result).toBe(HELLO);
    await settled(job.id);
  });

  it('of what no text can hold, and of a result above the limit', async () => {
    const { word, agents } = await nodes([silent, silent]);
    const [agent] = agents as [SimulatedAgent];
    const bytes = Buffer.from([0, 255, 0, 128]);
    const job = await submit({ capabilities: [word], consensus: 2, redundancy: 2 });
    for (const one of agents) {
      const spec = await inHand(one);
      const report = reportOf(spec, HELLO, { result: bytes.toString('base64'), result_encoding: 'base64', result_hash: sha256Hex(bytes), logs: 'NUL \0 and \ud800 half' });
      expect(await one.hand([report])).toMatchObject({ outcomes: [{ outcome: 'counted' }] });
    }
    expect(await ended(job.id)).toMatchObject({ status: 'completed', result_hash: sha256Hex(bytes) });
    await settled(job.id);
    const large = 'x'.repeat(360_000);
    expect(await agent.hand([reportOf({ execution_id: job.id, attempt: 1 }, large, { logs: '' })])).toMatchObject({ ok: false, problem: { code: 'invalid_request' } });
  });
});

describe('a program that fails', () => {
  const failing: Runs = () => ({ fault: { code: 'exit_code', blame: 'job', message: 'The container ended with exit code 2' } });

  it('everywhere: the job fails with its words, and nobody is scored', async () => {
    const { word, agents } = await nodes([failing, failing, failing]);
    const job = await submit({ capabilities: [word] });
    expect(await ended(job.id)).toMatchObject({ status: 'failed', fault: { code: 'exit_code' }, error_message: '3 nodes failed at it: The container ended with exit code 2' });
    await settled(job.id);
    expect(await reputations(agents)).toEqual([100, 100, 100]);
  });

  it('on one machine by its own doing: another one has the copy', async () => {
    const { word, agents } = await nodes([() => ({ fault: { code: 'engine_down', blame: 'node', message: 'The engine does not answer' } })]);
    const job = await submit({ capabilities: [word], redundancy: 1, consensus: 1 });
    await until('its error', async () => (await executions(job.id)).find((run) => run.status === 'errored'));
    const [first] = agents as [SimulatedAgent];
    await node(word, honest);
    expect((await ended(job.id)).result).toBe(HELLO);
    await settled(job.id);
    expect(await reputations([first])).toEqual([100]);
  });
});

it('a cancelled job stops where it runs, costs nothing, and gives every machine its room back', async () => {
  const { word, agents } = await nodes([silent, silent, silent]);
  const job = await submit({ capabilities: [word] });
  await Promise.all(agents.map(inHand));
  await market.call('cancelJob', { token: submitter.token, params: { job_id: job.id } });
  await until('the order to stop', async () => agents.every((agent) => agent.cancelled.length === 1) || undefined);
  await settled(job.id);
  expect(await view(job.id)).toMatchObject({ status: 'cancelled', paid_usd: '0.000000', refunded_usd: job.held_usd });
  for (const agent of agents) expect(await market.db.client.hostNode.findUniqueOrThrow({ where: { id: agent.nodeId } })).toMatchObject({ cpuUsed: 0, ramMbUsed: 0, diskGbUsed: 0 });
});

it('a device is held by one execution at a time, and free for rent when it is over', async () => {
  const word = `cast-${(words += 1)}`;
  const inventory = simulatedInventory({ capabilities: [word], gpus: [simulatedGpu(0), simulatedGpu(1)], driver_version: '550', cuda_max_good: 1208 });
  const agent = await SimulatedAgent.listed(market, await market.signUp(), { inventory });
  agent.runs = silent;
  agent.beatEvery(BEAT_MS);
  cast.push(agent);
  const job = await submit({ capabilities: [word, 'cuda>=12'], redundancy: 1, consensus: 1, num_gpus: 1, gpu_name: 'rtx 4090', tasks: { kind: 'matrix', axes: { n: ['1', '2', '3'] } } });
  await until('two orders', async () => agent.executions.size === 2 || undefined);
  const saysOf = (status: string) => until(`the node to be ${status}`, async () => (await market.db.client.hostNode.findUniqueOrThrow({ where: { id: agent.nodeId } })).status === status || undefined);
  await saysOf('busy');
  const given = [...agent.executions.values()].flatMap((spec) => spec.gpu_uuids);
  expect(given.toSorted()).toEqual(inventory.gpus.map((gpu) => gpu.uuid).toSorted());
  const offers = async () => (await market.call('searchOffers', { query: { limit: 200 } })).body.items.filter((offer: { node_id: string }) => offer.node_id === agent.nodeId);
  expect(await offers()).toEqual([]);
  agent.runs = honest;
  await agent.hand([...agent.executions.values()].map((spec) => reportOf(spec, HELLO)));
  expect((await ended(job.id)).status).toBe('completed');
  await settled(job.id);
  await saysOf('online');
  expect((await offers()).length).toBeGreaterThan(0);
});

it('a node of which an execution has the last vCPU is busy for so long, whether it ends or is cancelled', async () => {
  const word = `cast-${(words += 1)}`;
  const agent = await SimulatedAgent.listed(market, await market.signUp(), { inventory: simulatedInventory({ capabilities: [word], cpu_cores: 1 }) });
  agent.runs = silent;
  agent.beatEvery(BEAT_MS);
  cast.push(agent);
  const status = async (): Promise<string> => (await market.db.client.hostNode.findUniqueOrThrow({ where: { id: agent.nodeId } })).status;
  const one = { capabilities: [word], redundancy: 1, consensus: 1 };
  const first = await submit(one);
  const spec = await inHand(agent);
  expect(await status()).toBe('busy');
  await agent.hand([reportOf(spec, HELLO)]);
  agent.executions.clear();
  expect(await status()).toBe('online');
  await settled(first.id);
  const second = await submit(one);
  await inHand(agent);
  expect(await status()).toBe('busy');
  await market.call('cancelJob', { token: submitter.token, params: { job_id: second.id } });
  expect(await status()).toBe('online');
  await settled(second.id);
});
