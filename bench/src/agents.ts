/**
 * Connected agents: N sockets that have proven their keys, a heartbeat of about 1.1 KB every 5 s each. Counts heartbeats
 * without an ack, and measures ack times, CPU and memory of the one backend process; then the backend is killed (-9),
 * started again, and the time until every agent is back is taken. Prints one JSON line.
 *
 * The swarm speaks from this process, the backend and Postgres run beside it on the same cores.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { PrismaClient } from '@muster/prisma';
import type { Heartbeat } from '@muster/shared-types';
import { conditions, numbers, percentile } from './own-postgres.js';
import { LightAgent } from './support/light-agent.js';
import { makeNodes, type MadeNode } from './support/nodes.js';
import { type OwnMarket, usage, withOwnMarket } from './support/own-market.js';

const sizes = numbers({ agents: 1_000, seconds: 60, connects: 200, owners: 20, kill: 1 });
const INTERVAL_MS = 5_000;
const ACK_MS = 10_000;

/** Six GPUs: about 1.1 KB of JSON. */
function heartbeat(nodeId: string, seq: number): Heartbeat {
  return {
    node_id: nodeId, status: 'online', seq, up_s: seq * 5, generation: 0,
    metrics: {
      cpu_temp: 45.5, gpu_temp: Array<number>(6).fill(60), gpu_utilization: Array<number>(6).fill(80), ram_usage_mb: 4096, disk_usage_gb: 120, cpu_utilization: 12.5, load_1m: 1.2, net_rx_bytes: 1e9, net_tx_bytes: 1e9,
      gpus: Array.from({ length: 6 }, (_, index) => ({ uuid: `GPU-6b2ba19c-0000-4000-8000-00000000000${index}`, index, utilization: 80, memory_used_mb: 12_000, temp: 60, power_w: 300, state: 'ok' as const })),
    },
  };
}

class Swarm {
  readonly acksMs: number[] = [];
  sent = 0;
  lost = 0;
  /** When each agent last had a heartbeat acked, in monotonic milliseconds. */
  readonly ackedMs: number[];
  readonly #agents: LightAgent[];
  #stopped = false;
  #redials = 0;

  constructor(
    private readonly url: string,
    private readonly nodes: readonly MadeNode[],
  ) {
    this.ackedMs = nodes.map(() => 0);
    this.#agents = nodes.map((node) => new LightAgent(url, node));
    this.#agents.forEach((agent, n) => (agent.onClose = () => void this.#redial(n)));
  }

  get redials(): number {
    return this.#redials;
  }

  /** Connects so many a second, each beating from then on. Resolves when all have proven their key. */
  async connect(perSecond: number): Promise<void> {
    const all: Promise<void>[] = [];
    for (let n = 0; n < this.#agents.length; n += 1) {
      all.push(this.#dial(n));
      if (n % perSecond === perSecond - 1) await delay(1_000);
    }
    await Promise.all(all);
  }

  stop(): void {
    this.#stopped = true;
    for (const agent of this.#agents) agent.close();
  }

  forget(): void {
    this.acksMs.length = 0;
    this.sent = 0;
    this.lost = 0;
  }

  async #dial(n: number): Promise<void> {
    const agent = this.#agents[n];
    if (!agent || this.#stopped) return;
    try {
      await agent.connect();
    } catch {
      return;
    }
    void this.#beat(n, agent, Math.random() * INTERVAL_MS);
  }

  /** As the agent does it: half a second, doubled up to five, each spread by half. */
  async #redial(n: number): Promise<void> {
    this.#redials += 1;
    for (let waitMs = 500; !this.#stopped; waitMs = Math.min(waitMs * 2, 5_000)) {
      await delay(waitMs * (0.5 + Math.random()));
      if (await this.#redialled(n)) return;
    }
  }

  async #redialled(n: number): Promise<boolean> {
    const agent = this.#agents[n];
    if (!agent) return true;
    const closed = agent.onClose;
    agent.onClose = () => undefined;
    try {
      await agent.connect();
    } catch {
      agent.onClose = closed;
      return false;
    }
    agent.onClose = closed;
    void this.#beat(n, agent, 0);
    return true;
  }

  async #beat(n: number, agent: LightAgent, firstInMs: number): Promise<void> {
    const ready = agent.ready;
    await delay(firstInMs);
    const node = this.nodes[n];
    for (let seq = 1; node && !this.#stopped && agent.ready === ready; seq += 1) {
      const startedMs = performance.now();
      this.sent += 1;
      const ack = (await agent.emit('heartbeat', heartbeat(node.nodeId, seq), ACK_MS)) as { ok?: boolean } | undefined;
      const nowMs = performance.now();
      if (agent.ready !== ready) return;
      if (ack?.ok === true) {
        this.ackedMs[n] = nowMs;
        this.acksMs.push(nowMs - startedMs);
      } else this.lost += 1;
      await delay(Math.max(0, INTERVAL_MS - (nowMs - startedMs)));
    }
  }
}

async function steady(market: OwnMarket, swarm: Swarm): Promise<object> {
  swarm.forget();
  const before = await usage(market.backendPid);
  const startedMs = performance.now();
  await delay(sizes.seconds * 1_000);
  const after = await usage(market.backendPid);
  const seconds = (performance.now() - startedMs) / 1_000;
  return {
    heartbeats: swarm.acksMs.length, lost: swarm.lost, ack_p50_ms: percentile(swarm.acksMs, 0.5), ack_p99_ms: percentile(swarm.acksMs, 0.99),
    cpu_share_of_a_core: round((after.cpuS - before.cpuS) / seconds), rss_mb: Math.round(after.rssBytes / 1e6),
  };
}

/** From the kill to the last agent's first acked heartbeat, the start of the new process included. */
async function killAndReturn(market: OwnMarket, swarm: Swarm): Promise<object> {
  await market.killBackend();
  const killedMs = performance.now();
  await market.startBackend();
  const upMs = performance.now();
  while (swarm.ackedMs.some((at) => at < upMs) && performance.now() - killedMs < 120_000) await delay(20);
  const backS = swarm.ackedMs.map((at) => (at - killedMs) / 1_000);
  await delay(20_000);
  return {
    backend_up_s: round((upMs - killedMs) / 1_000), back_p50_s: percentile(backS, 0.5), back_p99_s: percentile(backS, 0.99), all_back_s: round(Math.max(...backS)),
    away: await market.db.hostNode.count({ where: { presence: { not: 'online' } } }), downtimes: await market.db.nodeDowntime.count(),
  };
}

const round = (value: number): number => Math.round(value * 1_000) / 1_000;
const bytes = Buffer.byteLength(JSON.stringify(heartbeat('00000000-0000-4000-8000-000000000000', 1)));

async function measure(market: OwnMarket, db: PrismaClient): Promise<object> {
  const nodes = await makeNodes(db, sizes.agents, { owners: sizes.owners });
  const idle = await usage(market.backendPid);
  const swarm = new Swarm(market.url, nodes);
  const startedMs = performance.now();
  await swarm.connect(sizes.connects);
  const connectS = round((performance.now() - startedMs) / 1_000);
  await delay(INTERVAL_MS);
  const quiet = await steady(market, swarm);
  const loaded = await usage(market.backendPid);
  const after = sizes.kill ? await killAndReturn(market, swarm) : undefined;
  swarm.stop();
  return { connect_s: connectS, ...quiet, rss_kb_per_agent: Math.round((loaded.rssBytes - idle.rssBytes) / sizes.agents / 1_000), ...(after ? { after_kill: after } : {}) };
}

const figures = await withOwnMarket((market) => measure(market, market.db));
process.stdout.write(`${JSON.stringify({ bench: 'agents', agents: sizes.agents, heartbeat_bytes: bytes, seconds: sizes.seconds, ...figures, conditions })}\n`);
