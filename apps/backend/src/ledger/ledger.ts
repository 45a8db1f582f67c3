import { Prisma } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { arrayLiteral } from './array-literal.rules.js';
import { accountsOfPeople, type Transfer } from './ledger.rules.js';

/** The same transfer id was used before with other content: a fault of the caller, never of the person. */
export class TransferConflict extends Error {
  constructor(readonly transferIds: string[]) {
    super(`transfers with these ids exist with other content: ${transferIds.join(', ')}`);
    this.name = 'TransferConflict';
  }
}

/**
 * Posts transfers in one statement. A transfer whose id is known with the same content is skipped; with other content
 * everything is refused (`TransferConflict`). An account of a person is made when it is missing. Balances, `User.balance` and
 * the statement line of each person touched follow by trigger; a floor that would be broken makes Postgres refuse.
 *
 * Lock order of everything that moves money: users, nodes, rentals, accounts, each by id. Lock the users first.
 */
export async function post(tx: Tx, transfers: readonly Transfer[], now: Date): Promise<{ posted: number }> {
  if (transfers.length === 0) return { posted: 0 };
  const rows = rowsOf(transfers);
  let { posted, missing } = await insertTransfers(tx, rows, now);
  if (missing > 0) {
    await ensureAccounts(tx, transfers);
    ({ posted, missing } = await insertTransfers(tx, rows, now));
  }
  if (missing > 0) throw new Error('a transfer names an account of the market that does not exist');
  if (posted < transfers.length) await refuseOthers(tx, rows);
  return { posted };
}

/** Both accounts of a person exist from the first transfer on; floors are zero. */
async function ensureAccounts(tx: Tx, transfers: readonly Transfer[]): Promise<void> {
  const accounts = accountsOfPeople(transfers);
  if (accounts.length === 0) return;
  await tx.$executeRaw`
    INSERT INTO "LedgerAccount" (id, "ownerId", kind, floor)
    SELECT w.id::uuid, w.owner::uuid, w.kind::"AccountKind", 0
    FROM unnest(${accounts.map(newId)}::text[], ${accounts.map((account) => account.ownerId)}::text[], ${accounts.map((account) => account.kind)}::text[]) AS w(id, owner, kind)
    WHERE NOT EXISTS (SELECT 1 FROM "LedgerAccount" a WHERE a."ownerId" = w.owner::uuid AND a.kind = w.kind::"AccountKind")
    ORDER BY w.owner, w.kind
    ON CONFLICT DO NOTHING`;
}

/** The transfers as rows `w` of a FROM clause. */
function rowsOf(transfers: readonly Transfer[]): Prisma.Sql {
  const column = (of: (transfer: Transfer) => string | bigint | null): string => arrayLiteral(transfers.map(of));
  return Prisma.sql`unnest(
      ${column(({ id }) => id)}::text::uuid[],
      ${column(({ from }) => from.ownerId)}::text::uuid[], ${column(({ from }) => from.kind)}::text::"AccountKind"[],
      ${column(({ to }) => to.ownerId)}::text::uuid[], ${column(({ to }) => to.kind)}::text::"AccountKind"[],
      ${column(({ amountMicro }) => amountMicro)}::text::bigint[], ${column(({ kind }) => kind)}::text::text[],
      ${column(({ referenceId }) => referenceId)}::text::uuid[], ${column(({ memo }) => memo)}::text::text[]
    ) AS w(id, from_owner, from_kind, to_owner, to_kind, amount, kind, reference, memo)`;
}

/** `missing`: transfers with an account that does not exist; then nothing at all was posted. */
async function insertTransfers(tx: Tx, rows: Prisma.Sql, now: Date): Promise<{ posted: number; missing: number }> {
  const [counted] = await tx.$queryRaw<{ posted: bigint; missing: bigint }[]>`
    WITH wanted AS MATERIALIZED (
      SELECT w.id, w.amount, w.kind, w.reference, w.memo,
             coalesce(f.id, (SELECT m.id FROM "LedgerAccount" m WHERE w.from_owner IS NULL AND m."ownerId" IS NULL AND m.kind = w.from_kind)) AS debit,
             coalesce(t.id, (SELECT m.id FROM "LedgerAccount" m WHERE w.to_owner IS NULL AND m."ownerId" IS NULL AND m.kind = w.to_kind)) AS credit
      FROM ${rows}
      LEFT JOIN "LedgerAccount" f ON f."ownerId" = w.from_owner AND f.kind = w.from_kind
      LEFT JOIN "LedgerAccount" t ON t."ownerId" = w.to_owner AND t.kind = w.to_kind
    ), missing AS MATERIALIZED (
      SELECT count(*) AS transfers FROM wanted WHERE debit IS NULL OR credit IS NULL
    ), inserted AS (
      INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind, "referenceId", memo, "createdAt")
      SELECT id, debit, credit, amount, kind, reference, memo, ${now.toISOString()}::timestamptz FROM wanted WHERE (SELECT transfers FROM missing) = 0
      ON CONFLICT (id) DO NOTHING
      RETURNING 1
    )
    SELECT (SELECT count(*) FROM inserted) AS posted, (SELECT transfers FROM missing) AS missing`;
  return { posted: Number(counted?.posted ?? 0), missing: Number(counted?.missing ?? 0) };
}

/** Every wanted transfer must stand there with this very content. */
async function refuseOthers(tx: Tx, rows: Prisma.Sql): Promise<void> {
  const others = await tx.$queryRaw<{ id: string }[]>`
    SELECT w.id FROM ${rows}
    WHERE NOT EXISTS (
      SELECT 1 FROM "LedgerTransfer" x
      JOIN "LedgerAccount" f ON f.id = x."debitAccountId" JOIN "LedgerAccount" t ON t.id = x."creditAccountId"
      WHERE x.id = w.id AND x."amountMicro" = w.amount AND x.kind = w.kind AND x.memo = w.memo
        AND x."referenceId" IS NOT DISTINCT FROM w.reference
        AND f."ownerId" IS NOT DISTINCT FROM w.from_owner AND f.kind = w.from_kind
        AND t."ownerId" IS NOT DISTINCT FROM w.to_owner AND t.kind = w.to_kind)`;
  if (others.length > 0) throw new TransferConflict(others.map((row) => row.id));
}
