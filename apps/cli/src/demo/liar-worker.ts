#!/usr/bin/env node
/**
 * A dishonest participant, for the demo and the tests: a program of its own that speaks the plain-HTTP worker path like
 * anybody's, takes work, computes none of it, and hands in an invented result under its true hash. Its host API key comes on standard input.
 *
 *   node liar-worker.js <market url> <node name>
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { MarketClient } from '@muster/client';

const POLL_MS = 250;
const BEAT_EVERY_POLLS = 20;

const [url = '', name = 'liar'] = process.argv.slice(2);
const client = new MarketClient({ url, token: readFileSync(0, 'utf8').trim(), userAgent: 'muster-demo-liar' });

async function work(): Promise<never> {
  const { node_id } = await client.call('registerNode', { body: { name, cpu_cores: 1, memory_mb: 1024, disk_gb: 10 } });
  for (let poll = 0; ; poll += 1) {
    if (poll % BEAT_EVERY_POLLS === 0) await beat(node_id);
    const { items } = await client.call('pendingJobs', { params: { node_id }, query: { limit: 1 } });
    for (const { execution_id, attempt } of items) await lie(node_id, execution_id, attempt);
    await sleep(POLL_MS);
  }
}

async function beat(node_id: string): Promise<void> {
  const metrics = { cpu_temp: null, gpu_temp: [], gpu_utilization: [], ram_usage_mb: 0, disk_usage_gb: 0 };
  await client.call('heartbeat', { params: { node_id }, body: { node_id, status: 'online', metrics } });
}

async function lie(node_id: string, execution_id: string, attempt: number): Promise<void> {
  const result = 'whatever you like to hear\n';
  const result_hash = createHash('sha256').update(result).digest('hex');
  await client.call('reportResult', { body: { execution_id, node_id, attempt, result, result_hash, exit_code: 0 } });
}

await work().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
});
