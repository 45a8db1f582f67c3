import { setTimeout as sleep } from 'node:timers/promises';
import { Prisma } from '@muster/prisma';
import type { Db, Tx } from './db.js';
import { isTransient } from './db-errors.js';

export interface TxOptions {
  isolation?: Prisma.TransactionIsolationLevel;
  /** Longest time inside, in milliseconds. */
  timeoutMs?: number;
  /** Longest wait for a free connection, in milliseconds. */
  maxWaitMs?: number;
  tries?: number;
}

/**
 * Runs `fn` in one transaction and repeats the whole of it after a deadlock or a serialization failure.
 * `fn` must touch nothing but `tx`: no network, no other client, nothing that may not happen twice.
 */
export async function withTx<T>(db: Pick<Db, 'client'>, fn: (tx: Tx) => Promise<T>, options: TxOptions = {}): Promise<T> {
  const tries = options.tries ?? 6;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await db.client.$transaction(fn, {
        timeout: options.timeoutMs ?? 15_000,
        maxWait: options.maxWaitMs ?? 10_000,
        ...(options.isolation ? { isolationLevel: options.isolation } : {}),
      });
    } catch (error) {
      if (attempt >= tries || !isTransient(error)) throw error;
      await sleep(jitterMs(attempt));
    }
  }
}

/** Full jitter up to 10, 20, 40 … ms: losers of one deadlock must not meet again. */
function jitterMs(attempt: number): number {
  return Math.random() * 10 * 2 ** Math.min(attempt - 1, 5);
}
