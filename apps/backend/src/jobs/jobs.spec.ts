import { sha256Hex } from '@muster/proof';
import type { JobSubmissionInput, JobView } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { fund } from '../../test/market-fixtures.js';
import { SimulatedAgent, type Played } from '../../test/simulated-agent.js';
import type { ExecutionSpec } from '@muster/shared-types';
import { checkLedger } from '../ledger/check.js';

/** Verified jobs from submission to money, on the real gateway, with agents that play their part. */
let market: TestApp;
beforeAll(async () => {
  market = await createTestApp({ env: { MUSTER_DATABASE_POOL: '12' } });
});
afterAll(() => market.close());

const LIE = 'a lie\n';
const ECHO: JobSubmissionInput = { name: 'hello', docker_image: 'workspace', command: ['echo', 'hello'] };

async function submitter(): Promise<TestAccount> {
  const account = await market.signUp();
  await fund(market.db.client, account.id, 100_000_000n);
  return account;
}

/** Nodes of as many owners, told apart from those of other tests by a word that the job asks for. */
async function nodes(word: string, runs: ((spec: ExecutionSpec) => Played)[], owner?: TestAccount): Promise<SimulatedAgent[]> {
  const { simulatedInventory } = await import('../../test/simulated-agent.js');
  return await Promise.all(runs.map(async (run) => {
    const agent = await SimulatedAgent.listed(market, owner ?? (await market.signUp()), { inventory: simulatedInventory({ capabilities: [word] }) });
    agent.runs = run;
    return agent;
  }));
}

const view = async (by: TestAccount, id: string): Promise<JobView> => (await market.call('getJob', { token: by.token, params: { job_id: id } })).body;

async function submit(by: TestAccount, job: Partial<JobSubmissionInput>): Promise<JobView> {
  const { status, body } = await market.call('createJob', { token: by.token, body: { ...ECHO, ...job } });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return body;
}

const ended = (by: TestAccount, id: string): Promise<JobView> =>
  waitFor(async () => {
    const job = await view(by, id);
    return ['completed', 'failed', 'cancelled'].includes(job.status) ? job : undefined;
  }, { what: 'the end of the job', deadlineMs: 20_000 });

const reputations = async (agents: readonly SimulatedAgent[]): Promise<number[]> =>
  await Promise.all(agents.map(async (agent) => (await market.db.client.hostNode.findUniqueOrThrow({ where: { id: agent.nodeId } })).reputationScore));

/** Everything that was handed out has come back: reports that were under way when the job ended are counted too. */
const settled = (id: string): Promise<true> =>
  waitFor(async () => {
    const open = await market.db.client.jobExecution.count({ where: { jobId: id, status: { in: ['leased', 'running', 'ready'] } } });
    const escrow = await market.db.client.ledgerAccount.findUniqueOrThrow({ where: { jobId: id } });
    return open === 0 && escrow.balance === 0n ? true : undefined;
  }, { what: 'every copy and the escrow', deadlineMs: 20_000 });

const sound = async (): Promise<void> => expect((await checkLedger(market.db.client)).filter((check) => !check.ok)).toEqual([]);

describe('three owners', () => {
  it('who agree each earn five points and their pay; the rest of the money comes back', async () => {
    const agents = await nodes('agree', [() => 'hello\n', () => 'hello\n', () => 'hello\n']);
    const ada = await submitter();
    const job = await submit(ada, { capabilities: ['agree'] });
    const done = await ended(ada, job.id);
    expect(done).toMatchObject({ status: 'completed', result: 'hello\n', result_hash: '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03' });
    await settled(job.id);
    expect(await reputations(agents)).toEqual([105, 105, 105]);
    await sound();
    for (const agent of agents) agent.close();
  });

  it('of whom one lies: the truth wins, and the liar loses ten points', async () => {
    const agents = await nodes('liar', [() => 'hello\n', () => 'hello\n', () => LIE]);
    const ada = await submitter();
    const job = await submit(ada, { capabilities: ['liar'] });
    expect((await ended(ada, job.id)).result_hash).toBe(sha256Hex('hello\n'));
    await settled(job.id);
    expect(await reputations(agents)).toEqual([105, 105, 90]);
    await sound();
    for (const agent of agents) agent.close();
  });
});
