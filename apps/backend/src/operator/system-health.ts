import { Injectable } from '@nestjs/common';
import type { SystemHealth } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Redis } from '../platform/redis.js';
import { VERSION } from '../platform/version.js';

const PATIENCE_MS = 2_000;

interface Counts {
  waiting: number;
  oldest_s: number;
  offers: number;
  stale: number;
  bytes: number;
}

/** How the parts of the market are. Answers while Redis is away; without Postgres nobody could be let in to ask. */
@Injectable()
export class HealthOfMarket {
  constructor(
    private readonly db: Db,
    private readonly redis: Redis,
    private readonly clock: Clock,
  ) {}

  async view(): Promise<SystemHealth> {
    const { client } = this.db;
    const [postgres, redis, counts, loops, outages] = await Promise.all([
      timed(() => client.$queryRaw`SELECT 1`),
      timed(() => this.redis.client.ping()),
      this.#counts(),
      client.$queryRaw<{ name: string; holder: string; alive: boolean }[]>`SELECT name, holder, "expiresAt" > now() AS alive FROM "LeaderLease" ORDER BY name`,
      client.controlPlaneOutage.findMany({ orderBy: { toAt: 'desc' }, take: 20 }),
    ]);
    const memory = process.memoryUsage();
    return {
      version: VERSION,
      uptime_s: Math.round(process.uptime()),
      as_of: this.clock.now().toISOString(),
      dependencies: { postgres, redis },
      loops,
      outbox: { waiting: counts.waiting, oldest_s: counts.oldest_s },
      offers: { total: counts.offers, stale: counts.stale },
      database_bytes: counts.bytes,
      outages: outages.map(({ fromAt, toAt, cause }) => ({ from: fromAt.toISOString(), to: toAt.toISOString(), cause })),
      memory: { rss_bytes: memory.rss, heap_bytes: memory.heapUsed },
    };
  }

  async #counts(): Promise<Counts> {
    const [row] = await this.db.client.$queryRaw<Counts[]>`
      SELECT (SELECT count(*)::int FROM "OutboxEvent" WHERE "publishedAt" IS NULL) AS waiting,
        (SELECT coalesce(greatest(0, extract(epoch FROM now() - min("createdAt"))), 0)::float8 FROM "OutboxEvent" WHERE "publishedAt" IS NULL) AS oldest_s,
        (SELECT count(*)::int FROM "Offer") AS offers, (SELECT count(*)::int FROM "OfferStale") AS stale, pg_database_size(current_database())::float8 AS bytes`;
    return row ?? { waiting: 0, oldest_s: 0, offers: 0, stale: 0, bytes: 0 };
  }
}

/** Only our own words go out: drivers name hosts and users. */
async function timed(ask: () => Promise<unknown>): Promise<SystemHealth['dependencies'][string]> {
  const began = performance.now();
  const late = AbortSignal.timeout(PATIENCE_MS);
  const silence = new Promise<never>((_resolve, reject) => late.addEventListener('abort', () => reject(new Error('silent'))));
  const ok = await Promise.race([ask(), silence]).then(
    () => true,
    () => false,
  );
  return { ok, ms: Math.round((performance.now() - began) * 10) / 10, detail: ok ? 'answers' : 'does not answer' };
}
