import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { Db } from './db.js';

const HOLDER = `${hostname()}:${process.pid}`;
const DEFAULT_LEASE_MS = 15_000;

export interface SingletonOptions {
  /** Name of the lease row: one loop of this name runs in the whole market. */
  name: string;
  everyMs: number;
  /** How long a crashed holder blocks the others. */
  leaseMs?: number;
  /** One pass. The signal is aborted when the lease is lost or the process stops. */
  run: (signal: AbortSignal) => Promise<void>;
}

export interface SingletonLoop {
  /** Runs a pass now instead of at the next tick (several calls: one pass). */
  wake(): void;
  /** Waits for the pass in hand, gives the lease back. */
  stop(): Promise<void>;
}

/** Loops that run on one replica at a time: on the holder of their `LeaderLease` row. Time is Postgres's. */
@Injectable()
export class Singletons implements BeforeApplicationShutdown {
  readonly #loops = new Set<SingletonLoop>();

  constructor(private readonly db: Db) {}

  every(options: SingletonOptions): SingletonLoop {
    const loop = new LeasedLoop(this.db, options);
    this.#loops.add(loop);
    return loop;
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.allSettled([...this.#loops].map((loop) => loop.stop()));
  }
}

/** Takes or renews a lease; true when this token holds it now. */
export async function takeLease(db: Db, name: string, token: string, leaseMs: number): Promise<boolean> {
  const rows = await db.client.$queryRaw<{ token: string }[]>`
    INSERT INTO "LeaderLease" (name, holder, token, "expiresAt")
    VALUES (${name}, ${HOLDER}, ${token}::uuid, now() + ${leaseMs} * interval '1 millisecond')
    ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, token = excluded.token, "expiresAt" = excluded."expiresAt"
    WHERE "LeaderLease".token = excluded.token OR "LeaderLease"."expiresAt" < now()
    RETURNING token`;
  return rows.length === 1;
}

export async function dropLease(db: Db, name: string, token: string): Promise<void> {
  await db.client.leaderLease.deleteMany({ where: { name, token } });
}

/** Invariant: `run` is in hand only while `#token` holds the row, renewed at a third of its life. */
class LeasedLoop implements SingletonLoop {
  readonly #log: Logger;
  readonly #token = randomUUID();
  readonly #leaseMs: number;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #woken = new AbortController();
  #complained = false;

  constructor(
    private readonly db: Db,
    private readonly options: SingletonOptions,
  ) {
    this.#log = new Logger(`Singleton ${options.name}`);
    this.#leaseMs = options.leaseMs ?? DEFAULT_LEASE_MS;
    this.#done = this.#loop();
  }

  wake(): void {
    this.#woken.abort();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#woken.abort();
    await this.#done;
  }

  async #loop(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      this.#woken = new AbortController();
      await this.#pass().then(
        () => (this.#complained = false),
        (error: unknown) => this.#complain(error),
      );
      await this.#rest();
    }
    await dropLease(this.db, this.options.name, this.#token).catch((error: unknown) => this.#complain(error));
  }

  async #pass(): Promise<void> {
    if (!(await takeLease(this.db, this.options.name, this.#token, this.#leaseMs))) return;
    const lost = new AbortController();
    const renewal = setInterval(() => void this.#renew(lost), this.#leaseMs / 3);
    try {
      await this.options.run(AbortSignal.any([this.#stop.signal, lost.signal]));
    } finally {
      clearInterval(renewal);
    }
  }

  async #renew(lost: AbortController): Promise<void> {
    const held = await takeLease(this.db, this.options.name, this.#token, this.#leaseMs).catch(() => false);
    if (!held) lost.abort();
  }

  async #rest(): Promise<void> {
    if (this.#woken.signal.aborted) return;
    await sleep(this.options.everyMs, undefined, { signal: this.#woken.signal }).catch(() => undefined);
  }

  /** Once per streak: a database that is down for an hour must not fill the log. */
  #complain(error: unknown): void {
    if (!this.#complained) this.#log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    this.#complained = true;
  }
}
