import type { MicroUsd } from '@muster/shared-types';
import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { arrayLiteral } from './array-literal.rules.js';

/** Settle this rental through that whole second; the caller vouches that everything before it outside the known gaps was covered. */
export interface SettleTarget {
  rentalId: string;
  throughS: number;
}

export interface Settled {
  rentals: number;
  amountMicro: MicroUsd;
}

/**
 * Settles any number of rentals in one statement: cost = floor((rate × its billable seconds + that of its disk × the seconds in
 * which it was stopped) / 3600) − settled. What is settled now costs the one or the other, as the rental stands.
 * Each stretch starts where the last one ended (`billedThrough`) and is a row of `RentalCharge`; its trigger moves the bill
 * on, and refuses one that starts anywhere else. A target that is not ahead of `billedThrough` changes nothing.
 * Targets were made before the locks, so none goes past an end, a stop or a deadline that was committed since.
 * The renters must be locked before it (`lockForSettling`, `lockMoneyOf`).
 */
export async function settleLocked(tx: Tx, targets: readonly SettleTarget[], now: Date): Promise<Settled> {
  const column = (of: (target: SettleTarget) => string | number): string => arrayLiteral(targets.map(of));
  const rows = await tx.$queryRaw<{ rentals: bigint; amount: bigint }[]>`
    WITH target AS MATERIALIZED (
      SELECT t.id, t.transfer, r."nodeId" AS node, r."renterId" AS renter, r."storedSince" IS NOT NULL AS stored, r."billedThrough" AS from_at, r."settledMicro" AS settled,
             CASE WHEN r."storedSince" IS NULL THEN r."rateMicroHour" ELSE r."storageMicroHour" END AS rate,
             r."rateMicroHour"::numeric * r."billedSeconds" + r."storageMicroHour"::numeric * r."storedSeconds" AS used,
             least(t.through, date_trunc('second', r."endTime"), date_trunc('second', r."stopRequestedAt"), date_trunc('second', r."deadlineAt")) AS to_at
      FROM (SELECT id, to_timestamp(second) AS through, transfer
            FROM unnest(${column((target) => target.rentalId)}::text::uuid[], ${column((target) => target.throughS)}::text::bigint[], ${column(newId)}::text::uuid[]) AS u(id, second, transfer)) t
      JOIN "Rental" r ON r.id = t.id
    ), unbilled AS MATERIALIZED (
      SELECT t.id, sum(extract(epoch FROM least(g."toAt", t.to_at) - greatest(g."fromAt", t.from_at)))::bigint AS seconds
      FROM target t JOIN "RentalGap" g ON g."rentalId" = t.id AND g."toAt" > t.from_at AND g."fromAt" < t.to_at GROUP BY t.id
    ), due AS (
      SELECT t.*, extract(epoch FROM t.to_at - t.from_at)::bigint - coalesce(u.seconds, 0) AS seconds
      FROM target t LEFT JOIN unbilled u ON u.id = t.id WHERE t.from_at < t.to_at
    ), priced AS MATERIALIZED (
      SELECT d.*, p.id AS prepaid, e.id AS earnings, div(d.used + d.rate::numeric * d.seconds, 3600)::bigint - d.settled AS amount
      FROM due d
      JOIN "HostNode" n ON n.id = d.node
      LEFT JOIN "LedgerAccount" p ON p."ownerId" = d.renter AND p.kind = 'prepaid'
      LEFT JOIN "LedgerAccount" e ON e."ownerId" = n."ownerId" AND e.kind = 'earnings'
    ), transfers AS (
      INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind, "referenceId", memo, "createdAt")
      SELECT transfer, prepaid, earnings, amount, 'rental', id, seconds || CASE WHEN stored THEN ' s of disk' ELSE ' s' END, ${now.toISOString()}::timestamptz FROM priced WHERE amount > 0
    ), charges AS (
      INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro", "transferId", stored)
      SELECT id, from_at, to_at, seconds, amount, CASE WHEN amount > 0 THEN transfer END, stored FROM priced
    )
    SELECT count(*) AS rentals, coalesce(sum(amount), 0)::bigint AS amount FROM priced`;
  return { rentals: Number(rows[0]?.rentals ?? 0), amountMicro: BigInt(rows[0]?.amount ?? 0n) };
}

/** Makes the accounts that settling these rentals needs, when they begin to run: settling itself then only moves money. */
export async function ensureRentalAccounts(tx: Tx, rentalIds: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO "LedgerAccount" (id, "ownerId", kind, floor)
    SELECT gen_random_uuid(), w.owner, w.kind::"AccountKind", 0
    FROM (SELECT DISTINCT side.owner, side.kind
          FROM "Rental" r JOIN "HostNode" n ON n.id = r."nodeId"
          CROSS JOIN LATERAL (VALUES (r."renterId", 'prepaid'), (n."ownerId", 'earnings')) AS side(owner, kind)
          WHERE r.id IN (SELECT unnest(${arrayLiteral(rentalIds)}::text::uuid[]))) w
    WHERE NOT EXISTS (SELECT 1 FROM "LedgerAccount" a WHERE a."ownerId" = w.owner AND a.kind = w.kind::"AccountKind")
    ORDER BY w.owner, w.kind
    ON CONFLICT DO NOTHING`;
}

/**
 * Locks the renters. Whatever else moves the bill of a rental that runs (its end, its gaps, its deadline) locks its renter
 * first, so the rentals themselves need no lock; accounts are locked by the transfers, after this.
 */
export async function lockForSettling(tx: Tx, rentalIds: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    SELECT 1 FROM "User" WHERE id IN (SELECT "renterId" FROM "Rental" WHERE id IN (SELECT unnest(${arrayLiteral(rentalIds)}::text::uuid[]))) ORDER BY id FOR NO KEY UPDATE`;
}
