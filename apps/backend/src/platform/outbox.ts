import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import type { Prisma } from '@muster/prisma';
import type { DomainEventName } from '@muster/shared-types';
import { Db, type Tx } from './db.js';
import { Singletons, type SingletonLoop } from './leases.js';
import { Redis } from './redis.js';

export interface NewEvent {
  name: DomainEventName;
  aggregateId: string;
  actorId?: string;
  payload: Prisma.InputJsonObject;
}

export interface OutboxRow {
  id: bigint;
  name: DomainEventName;
  aggregateId: string;
  actorId: string | null;
  payload: unknown;
  createdAt: Date;
}

/** May be called more than once with the same row: what it does must be safe to repeat. */
export type Subscriber = (event: OutboxRow) => Promise<void>;

/** Writes an event in the transaction that caused it; it is delivered after commit. Then call `Outbox.wake()`. */
export async function emitEvent(tx: Tx, event: NewEvent): Promise<void> {
  await tx.outboxEvent.create({
    data: { name: event.name, aggregateId: event.aggregateId, actorId: event.actorId ?? null, payload: event.payload },
  });
}

export const EVENTS_CHANNEL = 'events';
const WAKE_CHANNEL = 'outbox-wake';
const SAFETY_POLL_MS = 1_000;
const BATCH = 200;

/**
 * Delivers outbox rows in the order of their ids: first to the subscribers of this process, then on the Redis channel
 * `events` to every replica. One replica at a time does it (lease `outbox`); delivery is at least once.
 */
@Injectable()
export class Outbox implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #log = new Logger('Outbox');
  readonly #subscribers = new Map<DomainEventName, Subscriber[]>();
  #loop: SingletonLoop | undefined;

  constructor(
    private readonly db: Db,
    private readonly redis: Redis,
    private readonly singletons: Singletons,
  ) {}

  /** Registers a subscriber; call it in the constructor or in `onModuleInit`. */
  on(name: DomainEventName, subscriber: Subscriber): void {
    this.#subscribers.set(name, [...(this.#subscribers.get(name) ?? []), subscriber]);
  }

  /** Says that rows were committed. Losing it costs up to a second. */
  wake(): void {
    this.#loop?.wake();
    this.redis.publish(WAKE_CHANNEL, '').catch(() => this.#log.debug('wake not sent: the safety poll will find the rows'));
  }

  onApplicationBootstrap(): void {
    this.#loop = this.singletons.every({ name: 'outbox', everyMs: SAFETY_POLL_MS, run: (signal) => this.#deliver(signal) });
    void this.redis.subscribe(WAKE_CHANNEL, () => this.#loop?.wake());
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop?.stop();
  }

  async #deliver(signal: AbortSignal): Promise<void> {
    for (;;) {
      const rows = await this.db.client.outboxEvent.findMany({ where: { publishedAt: null }, orderBy: { id: 'asc' }, take: BATCH });
      if (rows.length > 0) await this.#deliverAll(rows as OutboxRow[], signal);
      if (rows.length < BATCH || signal.aborted) return;
    }
  }

  /** In their order; what was delivered before a failure is marked, the rest comes again with the next pass. */
  async #deliverAll(rows: readonly OutboxRow[], signal: AbortSignal): Promise<void> {
    const delivered: OutboxRow[] = [];
    try {
      for (const row of rows) {
        if (signal.aborted) return;
        for (const subscriber of this.#subscribers.get(row.name) ?? []) await subscriber(row);
        delivered.push(row);
      }
    } finally {
      await this.#publish(delivered);
    }
  }

  /** One round trip to Redis and one statement for all of them. */
  async #publish(rows: readonly OutboxRow[]): Promise<void> {
    if (rows.length === 0) return;
    const pipeline = this.redis.client.pipeline();
    for (const row of rows) pipeline.publish(this.redis.channel(EVENTS_CHANNEL), JSON.stringify({ ...row, id: row.id.toString() }));
    const failed = (await pipeline.exec())?.find(([error]) => error !== null)?.[0];
    if (failed) throw failed;
    await this.db.client.outboxEvent.updateMany({ where: { id: { in: rows.map((row) => row.id) } }, data: { publishedAt: new Date() } });
  }
}
