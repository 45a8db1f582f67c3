import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Injectable, Logger, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { ALIVE_EVERY_MS, inGrace, outageCause, REMEMBER_MS, type Outage, type OutageCause } from './control-outage.rules.js';

const MARKER_KEY = 'alive-marker';
const REDIS_PATIENCE_MS = 2_000;

/**
 * The market's own record of when it was away. `ControlPlane.aliveAt` moves every 5 s, and only while Redis answers and
 * still holds our marker. What lies between two marks after a restart, a stall, or a loss of Postgres or Redis is kept
 * as a `ControlPlaneOutage`: silences of nodes inside it are not theirs.
 *
 * Whether a mark is late is judged on this process's monotonic clock; only the bounds of an outage are wall time.
 */
@Injectable()
export class ControlOutage implements OnModuleInit, BeforeApplicationShutdown {
  readonly #log = new Logger('ControlOutage');
  #outages: Outage[] = [];
  #aliveAt: Date;
  #markedMono = performance.now();
  #failing = false;
  #timer: NodeJS.Timeout | undefined;
  #ticking: Promise<void> = Promise.resolve();

  constructor(
    private readonly db: Db,
    private readonly redis: Redis,
    private readonly clock: Clock,
  ) {
    this.#aliveAt = clock.now();
  }

  /** Every start of a replica is an outage for the nodes that were connected to it. Throws while Postgres is away. */
  async onModuleInit(): Promise<void> {
    await this.boot();
    this.#timer = setInterval(() => void this.tick(), ALIVE_EVERY_MS);
    this.#timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#ticking;
  }

  /** Outages that end after this moment, oldest first. From memory, at most 5 s old; six hours are kept. */
  since(at: Date): Outage[] {
    const kept = this.#outages.filter((outage) => outage.to > at);
    return this.#failing ? [...kept, { from: this.#aliveAt, to: this.clock.now() }] : kept;
  }

  /** True while nothing may be held against a silent node: 60 s after an outage, and during one. */
  inGrace(now: Date): boolean {
    return this.#failing || inGrace(this.#outages, now);
  }

  /** Makes the market's row at the first start of all; later starts record how long the market was away. */
  async boot(): Promise<void> {
    const now = this.clock.now();
    await withTx(this.db, async (tx) => {
      await tx.controlPlane.createMany({ data: [{ id: 1, clusterId: randomUUID(), aliveAt: now }], skipDuplicates: true });
      const { aliveAt } = await tx.controlPlane.findUniqueOrThrow({ where: { id: 1 } });
      await this.#record(tx, aliveAt, now, 'restart');
      await markAlive(tx, now);
    });
    await this.#reload(now);
    this.#aliveAt = now;
    this.#markedMono = performance.now();
    await this.#redisReady();
    await this.redis.client
      .set(MARKER_KEY, now.toISOString())
      .catch(() => this.#log.warn('Redis does not answer at the start: the first mark will tell the loss'));
  }

  /** The connection is opened at construction and may be a moment away. */
  async #redisReady(): Promise<void> {
    if (this.redis.client.status === 'ready') return;
    const late = AbortSignal.timeout(REDIS_PATIENCE_MS);
    await once(this.redis.client, 'ready', { signal: late }).catch(() => undefined);
  }

  /** One mark. Called by the timer; calls queue up behind each other. */
  tick(): Promise<void> {
    this.#ticking = this.#ticking.then(() => this.#tick()).then(
      () => this.#recovered(),
      (error: unknown) => this.#failed(error),
    );
    return this.#ticking;
  }

  async #tick(): Promise<void> {
    const redisKept = await this.#markerKept();
    const now = this.clock.now();
    const cause = outageCause({ markedBefore: !this.#failing, redisKept, sinceLastMs: performance.now() - this.#markedMono });
    await withTx(this.db, async (tx) => {
      if (cause) await this.#record(tx, this.#aliveAt, now, cause);
      await markAlive(tx, now);
    }, { tries: 1, maxWaitMs: 4_000, timeoutMs: 4_000 });
    await this.#reload(now);
    // The marker comes last: a failure before it leaves the loss to be seen again.
    if (!redisKept) await this.redis.client.set(MARKER_KEY, now.toISOString());
    this.#aliveAt = now;
    this.#markedMono = performance.now();
  }

  async #markerKept(): Promise<boolean> {
    return (await this.redis.client.exists(MARKER_KEY)) === 1;
  }

  async #record(tx: Tx, from: Date, to: Date, cause: OutageCause): Promise<void> {
    if (to <= from) return;
    await tx.controlPlaneOutage.create({ data: { id: newId(), fromAt: from, toAt: to, cause } });
  }

  async #reload(now: Date): Promise<void> {
    const rows = await this.db.client.controlPlaneOutage.findMany({ where: { toAt: { gt: new Date(now.getTime() - REMEMBER_MS) } }, orderBy: { fromAt: 'asc' } });
    this.#outages = rows.map((row) => ({ from: row.fromAt, to: row.toAt }));
  }

  #recovered(): void {
    if (this.#failing) this.#log.log('the alive mark is written again');
    this.#failing = false;
  }

  /** Said once per streak. The outage is written when everything answers again. */
  #failed(error: unknown): void {
    if (!this.#failing) this.#log.warn(`the alive mark cannot be written: ${error instanceof Error ? error.message : String(error)}`);
    this.#failing = true;
  }
}

/** Replicas write it in any order; it only moves forward. */
async function markAlive(tx: Tx, now: Date): Promise<void> {
  await tx.controlPlane.updateMany({ where: { id: 1, aliveAt: { lt: now } }, data: { aliveAt: now } });
}
