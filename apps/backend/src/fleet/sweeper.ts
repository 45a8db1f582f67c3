import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { UNREACHABLE_AFTER_S, type NodePresence } from '@muster/shared-types';
import { ControlOutage } from '../agents/control-outage.js';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Singletons } from '../platform/leases.js';
import { Outbox } from '../platform/outbox.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { AbandonedRentals } from './abandoned-rentals.js';
import { AWAY_KEY, HTTP_KEY, LAST_BEAT_KEY } from './presence.keys.js';
import { presenceAfter, silentSince } from './presence.rules.js';
import { takeAway } from './presence-change.js';

const PASS_EVERY_MS = 1_000;
/** Redis may have lost what Postgres knows; this often the two are compared. */
const COMPARE_EVERY_PASSES = 15;
const ABANDONED_EVERY_PASSES = 5;

/** Finds nodes that fell silent. One replica at a time does it; nothing is held against a node in the restart grace. */
@Injectable()
export class PresenceSweeper implements OnApplicationBootstrap {
  #passes = 0;

  constructor(
    private readonly db: Db,
    private readonly redis: Redis,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
    private readonly outage: ControlOutage,
    private readonly singletons: Singletons,
    private readonly config: Config,
    private readonly abandoned: AbandonedRentals,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.has('scheduler')) this.singletons.every({ name: 'presence', everyMs: PASS_EVERY_MS, run: () => this.pass() });
  }

  async pass(): Promise<void> {
    if (this.#passes % COMPARE_EVERY_PASSES === 0) await this.compare();
    this.#passes += 1;
    if (this.outage.inGrace(this.clock.now())) return;
    await this.#sweep();
    if (this.#passes % ABANDONED_EVERY_PASSES === 0) await this.abandoned.pass();
  }

  /** Makes Redis know again what Postgres knows, e.g. after FLUSHALL. Never overwrites what Redis has. */
  async compare(): Promise<void> {
    const rows = await this.db.client.$queryRaw<{ id: string; online: boolean; gone: boolean; at: Date }[]>`
      SELECT id, presence = 'online' AS online, presence = 'offline' AS gone, coalesce("lastHeartbeat", "registeredAt") AS at FROM "HostNode"`;
    const alive = rows.filter((row) => !row.gone);
    const away = rows.filter((row) => !row.online).map((row) => row.id);
    if (alive.length > 0) await this.redis.client.zadd(LAST_BEAT_KEY, 'NX', ...alive.flatMap((row) => [row.at.getTime(), row.id]));
    if (away.length > 0) await this.redis.client.sadd(AWAY_KEY, ...away);
  }

  async #sweep(): Promise<void> {
    const now = this.clock.now();
    const limit = `(${now.getTime() - UNREACHABLE_AFTER_S * 1000}`;
    const silent = pairs(await this.redis.client.zrangebyscore(LAST_BEAT_KEY, '-inf', limit, 'WITHSCORES'));
    if (silent.length === 0) return;
    const ids = silent.map((node) => node.id);
    const [http, known] = await Promise.all([this.redis.client.smismember(HTTP_KEY, ...ids), presenceOf(this.db, ids)]);
    for (const [i, node] of silent.entries()) await this.#judge(node, http[i] === 1, known.get(node.id), now);
    this.outbox.wake();
  }

  async #judge({ id: nodeId, lastBeatAt }: Silent, http: boolean, was: NodePresence | undefined, now: Date): Promise<void> {
    if (was === undefined) return void (await this.redis.client.zrem(LAST_BEAT_KEY, nodeId));
    const silence = { lastBeatAt, now, outages: this.outage.since(lastBeatAt), http };
    const to = presenceAfter(silence);
    // A node that Postgres holds for offline and Redis for alive is one whose sweep was cut short: it is finished here.
    if (to === 'online' || (to === was && to !== 'offline')) return;
    await withTx(this.db, (tx) => takeAway(tx, { nodeId, since: silentSince(silence), to, announced: false }, now));
    await this.redis.client.sadd(AWAY_KEY, nodeId);
    // From here the open downtime row carries the silence; a heartbeat that came meanwhile keeps its newer score.
    if (to === 'offline') await this.#forget(nodeId, lastBeatAt);
  }

  async #forget(nodeId: string, lastBeatAt: Date): Promise<void> {
    const score = await this.redis.client.zscore(LAST_BEAT_KEY, nodeId);
    if (score !== null && Number(score) === lastBeatAt.getTime()) await this.redis.client.zrem(LAST_BEAT_KEY, nodeId);
  }
}

interface Silent {
  id: string;
  lastBeatAt: Date;
}

function pairs(flat: readonly string[]): Silent[] {
  return Array.from({ length: flat.length / 2 }, (_, i) => ({ id: flat[2 * i] ?? '', lastBeatAt: new Date(Number(flat[2 * i + 1])) }));
}

async function presenceOf(db: Db, ids: readonly string[]): Promise<Map<string, NodePresence>> {
  const rows = await db.client.hostNode.findMany({ where: { id: { in: [...ids] } }, select: { id: true, presence: true } });
  return new Map(rows.map((row) => [row.id, row.presence]));
}
