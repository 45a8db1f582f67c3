import { Prisma } from '@muster/prisma';
import type { MicroUsd } from '@muster/shared-types';
import type { Tx } from '../platform/db.js';

/** What the ledger does for jobs, inside their own transactions. */
export { lockUsers } from './accounts.store.js';
export { fundsOf } from './balance.js';
export { recomputeDeadlines } from './deadlines.js';
export { lockMoneyOf } from './lock-money.js';
export { rateOf, unitPrices, costOf } from './pricing.rules.js';

/** The account in which a job's money waits; its floor is zero, so no job pays more than was set aside for it. */
export async function openEscrow(tx: Tx, accountId: string, jobId: string): Promise<void> {
  await tx.$executeRaw`INSERT INTO "LedgerAccount" (id, kind, "jobId", floor) VALUES (${accountId}::uuid, 'escrow', ${jobId}::uuid, 0)`;
}

/** What lies in a person's prepaid account, and whether rentals of his run, start, end or keep their disk, so that some of it is spoken for. */
export async function prepaidAndRents(tx: Tx, userId: string): Promise<{ prepaidMicro: MicroUsd; rents: boolean }> {
  const [row] = await tx.$queryRaw<{ prepaid: bigint; rents: boolean }[]>`
    SELECT coalesce((SELECT balance FROM "LedgerAccount" WHERE "ownerId" = ${userId}::uuid AND kind = 'prepaid'), 0) AS prepaid,
      EXISTS (SELECT 1 FROM "Rental" WHERE "renterId" = ${userId}::uuid AND status IN ('pending', 'starting', 'running', 'stopping', 'stopped')) AS rents`;
  return { prepaidMicro: row?.prepaid ?? 0n, rents: row?.rents ?? false };
}

/** Makes the accounts of this kind that these people lack. */
export async function ensureAccountsOf(tx: Tx, ownerIds: readonly string[], kind: 'prepaid' | 'earnings'): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO "LedgerAccount" (id, "ownerId", kind, floor)
    SELECT gen_random_uuid(), w.owner, ${kind}::"AccountKind", 0 FROM unnest(${[...new Set(ownerIds)]}::uuid[]) AS w(owner)
    WHERE NOT EXISTS (SELECT 1 FROM "LedgerAccount" a WHERE a."ownerId" = w.owner AND a.kind = ${kind}::"AccountKind")
    ORDER BY w.owner ON CONFLICT DO NOTHING`;
}

export type EscrowMove = 'job_hold' | 'job_pay' | 'job_refund';

/** Money between the escrow of a job and an account of a person. */
export interface EscrowTransfer {
  id: string;
  jobId: string;
  ownerId: string;
  amountMicro: MicroUsd;
  memo: string;
}

const PERSONS_ACCOUNT = { job_hold: 'prepaid', job_pay: 'earnings', job_refund: 'prepaid' } as const;

/** Posts transfers of one kind in one statement. Throws when an account is missing; a floor that would be broken makes Postgres refuse. */
export async function postEscrow(tx: Tx, kind: EscrowMove, transfers: readonly EscrowTransfer[], now: Date): Promise<void> {
  if (transfers.length === 0) return;
  const rows = JSON.stringify(transfers.map((one) => ({ id: one.id, job: one.jobId, owner: one.ownerId, amount: one.amountMicro.toString(), memo: one.memo })));
  const sides = kind === 'job_hold' ? Prisma.sql`p.id, e.id` : Prisma.sql`e.id, p.id`;
  const posted = await tx.$executeRaw`
    INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind, "referenceId", memo, "createdAt")
    SELECT w.id, ${sides}, w.amount, ${kind}, w.job, w.memo, ${now.toISOString()}::timestamptz
    FROM json_to_recordset(${rows}::json) AS w(id uuid, job uuid, owner uuid, amount bigint, memo text)
    JOIN "LedgerAccount" e ON e."jobId" = w.job
    JOIN "LedgerAccount" p ON p."ownerId" = w.owner AND p.kind = ${PERSONS_ACCOUNT[kind]}::"AccountKind"`;
  if (posted !== transfers.length) throw new Error(`${transfers.length - posted} transfers of kind ${kind} name an account that does not exist`);
}
