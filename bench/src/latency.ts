/**
 * Submit → at the agent, at a steady rate of submissions; and the k-th report → consensus visible through the API.
 * Simulated agents on the real gateway, durable Postgres. Prints one JSON line.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { MarketClient } from '@muster/client';
import type { ExecutionSpec } from '@muster/shared-types';
import { conditions, numbers, percentile } from './own-postgres.js';
import { makeNodes } from './support/nodes.js';
import { type OwnMarket, withOwnMarket } from './support/own-market.js';
import { TaskAgent } from './support/task-agent.js';

const sizes = numbers({ rate: 100, seconds: 20, agents: 20, rounds: 100 });

const job = (redundancy: number, consensus: number) => ({ name: 'latency', docker_image: 'workspace', command: ['echo', 'hello'], redundancy, consensus, max_copies: redundancy, memory_mb: 16, timeout_s: 60 });

async function connected(market: OwnMarket): Promise<TaskAgent[]> {
  const nodes = await makeNodes(market.db, sizes.agents, { owners: sizes.agents, cpu: 2_000, ramMb: 200_000, diskGb: 20_000, online: true });
  const agents = nodes.map((node) => new TaskAgent(market.url, node, 100));
  await Promise.all(agents.map((agent) => agent.join()));
  return agents;
}

/** From the moment the submission is sent to the frame at the agent; and to the answer of the API. */
async function submissions(client: MarketClient, agents: readonly TaskAgent[]): Promise<object> {
  const sentMs = new Map<string, number>();
  const arrivedMs = new Map<string, number>();
  for (const agent of agents) agent.onRun = (executions) => executions.forEach((one) => arrivedMs.set(one.job_id, performance.now()));
  const answersMs: number[] = [];
  const one = async (): Promise<void> => {
    const startedMs = performance.now();
    const { id } = await client.call('createJob', { body: job(1, 1) });
    answersMs.push(performance.now() - startedMs);
    sentMs.set(id, startedMs);
  };
  const startedMs = performance.now();
  const all: Promise<void>[] = [];
  for (let n = 0; n < sizes.rate * sizes.seconds; n += 1) {
    const dueMs = startedMs + (n * 1_000) / sizes.rate;
    if (dueMs > performance.now()) await delay(dueMs - performance.now());
    all.push(one());
  }
  await Promise.all(all);
  const seconds = (performance.now() - startedMs) / 1_000;
  await delay(2_000);
  const waits = [...sentMs].flatMap(([id, at]) => (arrivedMs.has(id) ? [(arrivedMs.get(id) ?? 0) - at] : []));
  return {
    submitted: sentMs.size, arrived: waits.length, per_s: Math.round(sentMs.size / seconds),
    submit_to_agent_ms: { p50: percentile(waits, 0.5), p99: percentile(waits, 0.99) }, submit_answer_ms: { p50: percentile(answersMs, 0.5), p99: percentile(answersMs, 0.99) },
  };
}

/** Two agents hold a copy each; from the second one's report to the first GET that says `completed`. */
async function consensus(client: MarketClient, agents: readonly TaskAgent[]): Promise<object> {
  const visibleMs: number[] = [];
  for (let round = 0; round < sizes.rounds; round += 1) {
    const held: { agent: TaskAgent; executions: readonly ExecutionSpec[] }[] = [];
    for (const agent of agents) {
      agent.answers = false;
      agent.onRun = (executions) => held.push({ agent, executions });
    }
    const { id } = await client.call('createJob', { body: job(2, 2) });
    while (held.length < 2) await delay(1);
    const [first, second] = held;
    if (first) await first.agent.report(first.executions);
    const startedMs = performance.now();
    if (second) void second.agent.report(second.executions);
    while ((await client.call('getJob', { params: { job_id: id } })).status !== 'completed') await delay(1);
    visibleMs.push(performance.now() - startedMs);
  }
  return { kth_report_to_consensus_ms: { p50: percentile(visibleMs, 0.5), p99: percentile(visibleMs, 0.99) } };
}

const figures = await withOwnMarket(async (market) => {
  const client = new MarketClient({ url: market.url, token: market.apiKey });
  const agents = await connected(market);
  const quiet = await consensus(client, agents);
  for (const agent of agents) agent.answers = true;
  const steady = await submissions(client, agents);
  for (const agent of agents) agent.close();
  return { ...steady, ...quiet };
}, { MUSTER_DISTINCT_BY: 'owner' });
process.stdout.write(`${JSON.stringify({ bench: 'latency', rate: sizes.rate, ...figures, conditions })}\n`);
process.exit(0);
