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
      for (const row of rows) {
        if (signal.aborted) return;
        await this.#deliverOne(row as OutboxRow);
      }
      if (rows.length < BATCH) return;
    }
  }

  /** A subscriber that fails leaves the row unpublished: the next pass tries again, and the order is kept. */
  async #deliverOne(row: OutboxRow): Promise<void> {
    for (const subscriber of this.#subscribers.get(row.name) ?? []) await subscriber(row);
    const message = JSON.stringify({ ...row, id: row.id.toString() });
    await this.redis.publish(EVENTS_CHANNEL, message);
    await this.db.client.outboxEvent.update({ where: { id: row.id }, data: { publishedAt: new Date() } });
  }
}
