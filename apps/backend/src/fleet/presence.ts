import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Outbox } from '../platform/outbox.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { AWAY_KEY, HTTP_KEY, LAST_BEAT_KEY } from './presence.keys.js';
import { bringOnline, takeAway, writeLastSeen } from './presence-change.js';

/** Heartbeats of this long go to Redis together. */
const GATHER_MS = 5;
const LAST_SEEN_EVERY_MS = 60_000;

interface Beat {
  nodeId: string;
  at: Date;
  http: boolean;
}
interface Gathering {
  beats: Map<string, Beat>;
  written: Promise<void>;
}

/**
 * Who is alive. A heartbeat touches Redis only; Postgres hears of a change of presence, and once a minute per replica
 * of all newest heartbeats in one statement.
 */
@Injectable()
export class Presence implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #log = new Logger('Presence');
  readonly #seen = new Map<string, number>();
  #gathering: Gathering | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Db,
    private readonly redis: Redis,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.flushLastSeen().catch((error: unknown) => this.#log.warn(`last_seen waits for the next minute: ${String(error)}`)), LAST_SEEN_EVERY_MS);
    this.#timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.flushLastSeen();
  }

  /** Resolves when the heartbeat is in Redis and, if the node was away, the node is online again. Rejects when Redis is away. */
  onBeat(nodeId: string, at: Date, via: 'socket' | 'http'): Promise<void> {
    this.#gathering ??= this.#gather();
    this.#gathering.beats.set(nodeId, { nodeId, at, http: via === 'http' });
    return this.#gathering.written;
  }

  /** The agent said goodbye: offline at once, and nothing is held against the node. */
  async goodbye(nodeId: string): Promise<void> {
    const now = this.clock.now();
    await this.redis.client.zrem(LAST_BEAT_KEY, nodeId);
    await withTx(this.db, (tx) => takeAway(tx, { nodeId, since: now, to: 'offline', announced: true }, now));
    await this.redis.client.sadd(AWAY_KEY, nodeId);
    this.outbox.wake();
  }

  /** Newest heartbeat of each of these nodes that Redis knows of. Empty while Redis is away. */
  async lastBeats(nodeIds: readonly string[]): Promise<Map<string, Date>> {
    if (nodeIds.length === 0 || this.redis.client.status !== 'ready') return new Map();
    const scores = await this.redis.client.zmscore(LAST_BEAT_KEY, ...nodeIds);
    return new Map(nodeIds.flatMap((id, i) => (scores[i] == null ? [] : [[id, new Date(Number(scores[i]))] as const])));
  }

  /** Writes what has been seen since the last time. What fails stays for the next time. */
  async flushLastSeen(): Promise<void> {
    if (this.#seen.size === 0) return;
    const seen = new Map(this.#seen);
    await withTx(this.db, (tx) => writeLastSeen(tx, seen));
    for (const [nodeId, at] of seen) if (this.#seen.get(nodeId) === at) this.#seen.delete(nodeId);
  }

  #gather(): Gathering {
    const beats = new Map<string, Beat>();
    const written = new Promise<void>((resolve) => setTimeout(resolve, GATHER_MS)).then(() => {
      this.#gathering = undefined;
      return this.#write([...beats.values()]);
    });
    return { beats, written };
  }

  async #write(beats: readonly Beat[]): Promise<void> {
    const ids = beats.map((beat) => beat.nodeId);
    const away = await this.#record(beats, ids);
    for (const beat of beats) this.#seen.set(beat.nodeId, beat.at.getTime());
    const returned = beats.filter((_, i) => away[i] === 1);
    if (returned.length > 0) await this.#bringBack(returned);
  }

  /** One round trip: newest times in, who was away out. */
  async #record(beats: readonly Beat[], ids: readonly string[]): Promise<number[]> {
    const http = beats.filter((beat) => beat.http).map((beat) => beat.nodeId);
    const socket = beats.filter((beat) => !beat.http).map((beat) => beat.nodeId);
    const pipeline = this.redis.client.pipeline();
    pipeline.smismember(AWAY_KEY, ...ids);
    pipeline.zadd(LAST_BEAT_KEY, 'GT', ...beats.flatMap((beat) => [beat.at.getTime(), beat.nodeId]));
    if (http.length > 0) pipeline.sadd(HTTP_KEY, ...http);
    if (socket.length > 0) pipeline.srem(HTTP_KEY, ...socket);
    const answers = (await pipeline.exec()) ?? [];
    const failed = answers.find(([error]) => error !== null)?.[0];
    if (failed) throw failed;
    return (answers[0]?.[1] ?? []) as number[];
  }

  /**
   * The order closes a race with the sweeper, which writes Postgres first and AWAY second: a node that is swept away
   * between our two writes loses its mark here and gets it back from the sweeper's next comparison with Postgres.
   */
  async #bringBack(returned: readonly Beat[]): Promise<void> {
    await withTx(this.db, (tx) => bringOnline(tx, returned));
    await this.redis.client.srem(AWAY_KEY, ...returned.map((beat) => beat.nodeId));
    this.outbox.wake();
  }
}
