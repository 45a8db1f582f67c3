import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { accountsOfPeople, type Transfer } from './ledger.rules.js';

/** The same transfer id was used before with other content: a fault of the caller, never of the person. */
export class TransferConflict extends Error {
  constructor(readonly transferIds: string[]) {
    super(`transfers with these ids exist with other content: ${transferIds.join(', ')}`);
    this.name = 'TransferConflict';
  }
}

/**
 * Posts transfers in one statement, with the statement line of each person they touch. A transfer whose id is known with
 * the same content is skipped; with other content everything is refused (`TransferConflict`). An account of a person is
 * made when it is missing. Balances and `User.balance` move by trigger; a floor that would be broken makes Postgres refuse.
 *
 * Lock order of everything that moves money: users, nodes, rentals, accounts, each by id. Lock the users first.
 */
export async function post(tx: Tx, transfers: readonly Transfer[], now: Date): Promise<{ posted: number }> {
  if (transfers.length === 0) return { posted: 0 };
  await ensureAccounts(tx, transfers);
  const posted = await insertTransfers(tx, transfers, now);
  if (posted < transfers.length) await refuseOthers(tx, transfers);
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

/** Columns of the transfers as arrays of text, the form in which one statement takes them all. */
function columns(transfers: readonly Transfer[]) {
  return {
    ids: transfers.map((transfer) => transfer.id),
    fromOwners: transfers.map((transfer) => transfer.from.ownerId),
    fromKinds: transfers.map((transfer) => transfer.from.kind),
    toOwners: transfers.map((transfer) => transfer.to.ownerId),
    toKinds: transfers.map((transfer) => transfer.to.kind),
    amounts: transfers.map((transfer) => transfer.amountMicro.toString()),
    kinds: transfers.map((transfer) => transfer.kind),
    references: transfers.map((transfer) => transfer.referenceId),
    memos: transfers.map((transfer) => transfer.memo),
  };
}

async function insertTransfers(tx: Tx, transfers: readonly Transfer[], now: Date): Promise<number> {
  const c = columns(transfers);
  const rows = await tx.$queryRaw<{ posted: bigint }[]>`
    WITH wanted AS (
      SELECT w.id::uuid AS id, coalesce(f.id, fm.id) AS debit, f."ownerId" AS payer, coalesce(t.id, tm.id) AS credit, t."ownerId" AS payee, w.amount::bigint AS amount,
             w.kind, w.reference::uuid AS reference, w.memo
      FROM unnest(${c.ids}::text[], ${c.fromOwners}::text[], ${c.fromKinds}::text[], ${c.toOwners}::text[], ${c.toKinds}::text[],
                  ${c.amounts}::text[], ${c.kinds}::text[], ${c.references}::text[], ${c.memos}::text[])
           AS w(id, from_owner, from_kind, to_owner, to_kind, amount, kind, reference, memo)
      LEFT JOIN "LedgerAccount" f ON f."ownerId" = w.from_owner::uuid AND f.kind = w.from_kind::"AccountKind"
      LEFT JOIN "LedgerAccount" t ON t."ownerId" = w.to_owner::uuid AND t.kind = w.to_kind::"AccountKind"
      LEFT JOIN "LedgerAccount" fm ON w.from_owner IS NULL AND fm."ownerId" IS NULL AND fm.kind = w.from_kind::"AccountKind"
      LEFT JOIN "LedgerAccount" tm ON w.to_owner IS NULL AND tm."ownerId" IS NULL AND tm.kind = w.to_kind::"AccountKind"
    ), inserted AS (
      INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind, "referenceId", memo, "createdAt")
      SELECT id, debit, credit, amount, kind, reference, memo, ${now.toISOString()}::timestamptz FROM wanted
      ON CONFLICT (id) DO NOTHING
      RETURNING id
    ), lines AS (
      INSERT INTO "Transaction" (id, "userId", amount, type, "referenceId", "transferId", kind, memo, "createdAt")
      SELECT gen_random_uuid(), side.person, w.amount / 1000000.0, side.type::"TransactionType", w.reference, w.id, w.kind, w.memo, ${now.toISOString()}::timestamptz
      FROM inserted i JOIN wanted w USING (id)
      CROSS JOIN LATERAL (VALUES (w.payer, 'DEBIT'), (w.payee, 'CREDIT')) AS side(person, type)
      WHERE side.person IS NOT NULL
    )
    SELECT count(*) AS posted FROM inserted`;
  return Number(rows[0]?.posted ?? 0);
}

/** Every wanted transfer must stand there with this very content. */
async function refuseOthers(tx: Tx, transfers: readonly Transfer[]): Promise<void> {
  const c = columns(transfers);
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT w.id FROM unnest(${c.ids}::text[], ${c.fromOwners}::text[], ${c.fromKinds}::text[], ${c.toOwners}::text[], ${c.toKinds}::text[],
                            ${c.amounts}::text[], ${c.kinds}::text[], ${c.references}::text[], ${c.memos}::text[])
                     AS w(id, from_owner, from_kind, to_owner, to_kind, amount, kind, reference, memo)
    WHERE NOT EXISTS (
      SELECT 1 FROM "LedgerTransfer" x
      JOIN "LedgerAccount" f ON f.id = x."debitAccountId" JOIN "LedgerAccount" t ON t.id = x."creditAccountId"
      WHERE x.id = w.id::uuid AND x."amountMicro" = w.amount::bigint AND x.kind = w.kind AND x.memo = w.memo
        AND x."referenceId" IS NOT DISTINCT FROM w.reference::uuid
        AND f."ownerId" IS NOT DISTINCT FROM w.from_owner::uuid AND f.kind = w.from_kind::"AccountKind"
        AND t."ownerId" IS NOT DISTINCT FROM w.to_owner::uuid AND t.kind = w.to_kind::"AccountKind")`;
  if (rows.length > 0) throw new TransferConflict(rows.map((row) => row.id));
}
