import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { fund } from '../../test/market-fixtures.js';
import { HELLO, reportOf, SimulatedAgent, simulatedInventory } from '../../test/simulated-agent.js';
import { checkLedger } from '../ledger/check.js';
import { Scheduler } from './schedule/scheduler.js';

/** Two replicas with a scheduler each on one database, and nodes on both of them. */
const CPUS = 3;
const OWNERS = 4;
const JOBS = 6;
const TASKS = 8;
/** On a busy machine an order may be lost between replicas: then its lease ends, but not in the first minute of a market. */
const PATIENCE_MS = 150_000;

let one: TestApp;
let two: TestApp;
let submitter: TestAccount;
const agents: SimulatedAgent[] = [];

beforeAll(async () => {
  one = await createTestApp({ env: { MUSTER_DATABASE_POOL: '8' } });
  two = await createTestApp({ beside: one, env: { MUSTER_DATABASE_POOL: '8' } });
  submitter = await one.signUp();
  await fund(one.db.client, submitter.id, 1_000_000_000n);
  const owners = await Promise.all(Array.from({ length: OWNERS }, () => one.signUp()));
  for (const owner of [...owners, ...owners]) {
    const agent = await SimulatedAgent.listed(agents.length < OWNERS ? one : two, owner, { inventory: simulatedInventory({ cpu_cores: CPUS }) });
    agent.runs = () => null;
    agent.beatEvery(3_000);
    agents.push(agent);
  }
});
afterAll(async () => {
  for (const agent of agents) agent.close();
  await two?.close();
  await one?.close();
});

const live = () => one.db.client.jobExecution.findMany({ where: { status: { in: ['leased', 'running'] } }, select: { id: true, nodeId: true, ownerId: true, taskId: true } });
const until = <T>(what: string, look: () => Promise<T | undefined>): Promise<T> => waitFor(look, { what, deadlineMs: PATIENCE_MS });
const submit = async (n: number): Promise<string> => {
  const body = { name: `job ${n}`, docker_image: 'workspace', command: ['echo', 'hello'], tasks: { kind: 'matrix', axes: { n: Array.from({ length: TASKS }, (_, i) => String(i)) } } };
  const { status, body: job } = await (n % 2 === 0 ? one : two).call('createJob', { token: submitter.token, body });
  if (status !== 201) throw new Error(JSON.stringify(job));
  return job.id;
};

it('each copy is leased once, to an owner of its own, to nobody who has no room, and told to one node', async () => {
  const jobs = await Promise.all(Array.from({ length: JOBS }, (_, n) => submit(n)));
  const schedulers = [one, two].map((app) => app.app.get(Scheduler));
  const full = agents.length * CPUS;
  await until('every vCPU to be leased', async () => ((await live()).length === full ? true : undefined));
  for (let round = 0; round < 10; round += 1) await Promise.all(schedulers.map((scheduler) => scheduler.pass()));
  const leased = await live();
  expect(leased).toHaveLength(full);
  expect(new Set(leased.map((row) => `${row.taskId} ${row.ownerId}`)).size).toBe(full);
  await until('every order to have come', async () => (agents.reduce((sum, agent) => sum + agent.executions.size, 0) === full ? true : undefined));
  for (const agent of agents) {
    const own = leased.filter((row) => row.nodeId === agent.nodeId);
    expect(own).toHaveLength(CPUS);
    expect([...agent.executions.keys()].toSorted()).toEqual(own.map((row) => row.id).toSorted());
  }
  await finish(jobs);
  // A socket that was cut hears its orders again; nobody hears another's.
  const orders = agents.flatMap((agent) => [...new Set(agent.ordered.map((spec) => spec.execution_id))]);
  expect(new Set(orders).size).toBe(orders.length);
  expect((await checkLedger(one.db.client)).filter((check) => !check.ok)).toEqual([]);
}, 2 * PATIENCE_MS);

/** What is in hand is reported, and from now on everything at once: both replicas lease and count at the same time. */
async function finish(jobs: readonly string[]): Promise<void> {
  for (const agent of agents) agent.runs = () => HELLO;
  await Promise.all(agents.map(async (agent) => {
    const specs = [...agent.executions.values()];
    for (const { execution_id } of specs) agent.executions.delete(execution_id);
    await agent.hand(specs.map((spec) => reportOf(spec, HELLO)));
  }));
  await until('all jobs to have completed and nothing to be left', async () => {
    const open = await one.db.client.job.count({ where: { id: { in: [...jobs] }, status: { not: 'completed' } } });
    const escrows = await one.db.client.ledgerAccount.count({ where: { jobId: { in: [...jobs] }, balance: { not: 0 } } });
    return open + escrows + (await live()).length === 0 ? true : undefined;
  });
}
