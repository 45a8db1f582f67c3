import type { MicroUsd } from '@muster/shared-types';
import type { Prisma } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';

/** What is kept for ever of work and credit. */
export type EntryType = 'job_held' | 'job_refunded' | 'execution_paid' | 'execution_valid' | 'execution_invalid';

export interface NewEntry {
  eventType: EntryType;
  nodeId: string | null;
  jobId: string | null;
  /** Whose money or machine it is about. */
  ownerId: string | null;
  amountMicro: MicroUsd;
  data: Prisma.InputJsonObject;
}

/** Micro-dollars as credits (1,000 of them), exact. */
export const creditsOf = (micro: MicroUsd): string => `${micro / 1_000n}.${(micro % 1_000n).toString().padStart(3, '0')}`;

/**
 * Writes entries in one statement, in the transaction of what they tell. They have no number and no chain yet: the
 * sealer gives both after commit. Write few: one per job, node and batch, with the executions named in `data`.
 */
export async function writeEntries(tx: Tx, entries: readonly NewEntry[], now: Date): Promise<void> {
  if (entries.length === 0) return;
  const rows = JSON.stringify(entries.map(({ amountMicro, ...entry }) => ({ ...entry, id: newId(), credits: creditsOf(amountMicro) })));
  await tx.$executeRaw`
    INSERT INTO "LedgerEntry" (id, "eventType", "nodeId", "jobId", "ownerId", credits, data, timestamp)
    SELECT w.id, w."eventType", w."nodeId", w."jobId", w."ownerId", w.credits, w.data, ${now.toISOString()}::timestamptz
    FROM json_to_recordset(${rows}::json) AS w(id uuid, "eventType" text, "nodeId" uuid, "jobId" uuid, "ownerId" uuid, credits numeric, data jsonb)`;
}
