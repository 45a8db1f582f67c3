/**
 * Durable executions per second: leased, sent, reported, tallied and paid, by simulated agents on the real gateway and
 * Postgres, with so many executions to a frame; beside BullMQ and pg-boss doing claim + complete of as many empty jobs on
 * the same machine in the same run. `--open`: tasks that stay open beside them. Prints one JSON line.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Queue, Worker } from 'bullmq';
import { MarketClient } from '@muster/client';
import { Redis } from 'ioredis';
import PgBoss from 'pg-boss';
import { conditions, numbers } from './own-postgres.js';
import { makeNodes } from './support/nodes.js';
import { type OwnMarket, usage, withOwnMarket } from './support/own-market.js';
import { TaskAgent } from './support/task-agent.js';

const sizes = numbers({ tasks: 10_000, jobs: 4, redundancy: 3, consensus: 2, agents: 60, frame: 100, cpu: 400, peers: 1, open: 0 });
const PATIENCE_MS = 600_000;
/** A submission of a hundred thousand tasks takes its time. */
const ANSWER_MS = 300_000;
const MOST_TASKS = 100_000;
const OURS = 'bench-';

/** Jobs of many tasks by a matrix; they wait, for no node is online yet. */
async function submit(client: MarketClient, jobs: number, tasks: number): Promise<void> {
  const axes = { N: Array.from({ length: tasks }, (_, n) => String(n)) };
  for (let n = 0; n < jobs; n += 1) {
    await client.call('createJob', {
      body: { name: `${OURS}${n}`, docker_image: 'workspace', command: ['echo', 'hello'], redundancy: sizes.redundancy, consensus: sizes.consensus, max_copies: sizes.redundancy, memory_mb: 16, timeout_s: 60, tasks: { kind: 'matrix', axes } },
    });
  }
}

/** So many tasks of other jobs stay open all the while: they ask for something that no node has. */
async function stayOpen(client: MarketClient, tasks: number): Promise<void> {
  for (let left = tasks; left > 0; left -= MOST_TASKS) {
    const axes = { N: Array.from({ length: Math.min(left, MOST_TASKS) }, (_, n) => String(n)) };
    await client.call('createJob', {
      body: { name: 'open', docker_image: 'workspace', command: ['echo', 'hello'], redundancy: 1, consensus: 1, max_copies: 1, memory_mb: 16, timeout_s: 1, capabilities: ['of-nobody'], tasks: { kind: 'matrix', axes } },
    });
  }
}

async function muster(market: OwnMarket): Promise<object> {
  const client = new MarketClient({ url: market.url, token: market.apiKey, timeoutMs: ANSWER_MS });
  const nodes = await makeNodes(market.db, sizes.agents, { owners: sizes.agents, cpu: sizes.cpu, ramMb: sizes.cpu * 64, diskGb: sizes.cpu * 4 });
  await stayOpen(client, sizes.open);
  const submitMs = performance.now();
  await submit(client, sizes.jobs, Math.ceil(sizes.tasks / sizes.jobs));
  const submitS = (performance.now() - submitMs) / 1_000;
  const agents = nodes.map((node) => new TaskAgent(market.url, node, sizes.frame));
  let firstMs = 0;
  for (const agent of agents) agent.onRun = () => (firstMs ||= performance.now());
  const before = await usage(market.backendPid);
  await Promise.all(agents.map((agent) => agent.join()));
  await ended(market);
  const seconds = (performance.now() - firstMs) / 1_000;
  const after = await usage(market.backendPid);
  const counted = agents.reduce((sum, agent) => sum + agent.counted, 0);
  for (const agent of agents) agent.close();
  return { executions: counted, seconds: round(seconds), per_s: Math.round(counted / seconds), submit_s: round(submitS), backend_cpu_s: round(after.cpuS - before.cpuS), ...(await broken(market)) };
}

async function ended(market: OwnMarket): Promise<void> {
  const untilMs = performance.now() + PATIENCE_MS;
  while ((await market.db.job.count({ where: { name: { startsWith: OURS }, status: { notIn: ['completed', 'failed', 'cancelled'] } } })) > 0) {
    if (performance.now() > untilMs) throw new Error('the jobs did not end in time');
    await delay(50);
  }
}

/** What must hold whatever the speed. */
async function broken(market: OwnMarket): Promise<object> {
  const completed = await market.db.job.count({ where: { status: 'completed' } });
  const twice = await market.db.$queryRaw<{ n: bigint }[]>`SELECT count(*) AS n FROM (SELECT 1 FROM "JobExecution" WHERE status IN ('leased', 'running', 'reported', 'errored') AND purpose = 'copy' GROUP BY "taskId", "distinctKey" HAVING count(*) > 1) x`;
  return { jobs_completed: completed, of: sizes.jobs, two_copies_on_one_owner: Number(twice[0]?.n ?? 0n) };
}

/** Claim + complete of as many empty jobs, claimed 100 at a time. */
async function pgBoss(market: OwnMarket, count: number): Promise<number> {
  const url = new URL(market.postgresUrl);
  await market.db.$executeRawUnsafe('CREATE DATABASE peers').catch(() => undefined);
  url.pathname = '/peers';
  const boss = new PgBoss({ connectionString: url.href, supervise: false, schedule: false, max: 8 });
  await boss.start();
  await boss.createQueue('bench');
  for (let i = 0; i < count; i += 1_000) await boss.insert(Array.from({ length: Math.min(1_000, count - i) }, () => ({ name: 'bench', data: {} })));
  const startedMs = performance.now();
  const worker = async (): Promise<void> => {
    for (;;) {
      const jobs = await boss.fetch('bench', { batchSize: 100 });
      if (jobs.length === 0) return;
      await boss.complete('bench', jobs.map((job) => job.id));
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  const seconds = (performance.now() - startedMs) / 1_000;
  await boss.stop({ graceful: false });
  return Math.round(count / seconds);
}

/** Its Redis keeps nothing on disk: in its favour. */
async function bullMq(market: OwnMarket, count: number): Promise<number> {
  const connection = (): Redis => new Redis(market.redisUrl, { maxRetriesPerRequest: null });
  const queue = new Queue('bench', { connection: connection() });
  for (let i = 0; i < count; i += 1_000) await queue.addBulk(Array.from({ length: Math.min(1_000, count - i) }, () => ({ name: 'bench', data: {}, opts: { removeOnComplete: true } })));
  const startedMs = performance.now();
  let done = 0;
  const finished = new Promise<void>((resolve) => {
    const worker = new Worker('bench', () => Promise.resolve(), { connection: connection(), concurrency: 200 });
    worker.on('completed', () => {
      done += 1;
      if (done === count) resolve(worker.close(true));
    });
  });
  await finished;
  const seconds = (performance.now() - startedMs) / 1_000;
  await queue.close();
  return Math.round(count / seconds);
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;

const figures = await withOwnMarket(async (market) => {
  const ours = await muster(market);
  const count = sizes.tasks * sizes.redundancy;
  const peers = sizes.peers ? { pg_boss_per_s: await pgBoss(market, count), bullmq_per_s: await bullMq(market, count) } : {};
  return { ...ours, ...peers };
}, { MUSTER_DISTINCT_BY: 'owner' });
process.stdout.write(`${JSON.stringify({ bench: 'dispatch', ...sizes, ...figures, conditions })}\n`);
process.exit(0);
