import { formatUsd, parseUsd, type StatementLine } from '@muster/shared-types';
import type { PrismaClient } from '@muster/prisma';
import { readCursor, writeCursor, type Page } from '../platform/cursor.js';

export interface StatementQuery {
  cursor?: string | undefined;
  limit: number;
  rentalId?: string | undefined;
}

interface Row {
  id: string;
  at: Date;
  type: 'CREDIT' | 'DEBIT';
  amount: string;
  kind: string;
  memo: string;
  reference_id: string | null;
  transfer_id: string;
}

/** Settled lines of a person, newest first, ordered by time and id. */
export async function statementPage(db: PrismaClient, userId: string, query: StatementQuery): Promise<Page<StatementLine>> {
  const after = readCursor(query.cursor);
  const rows = await db.$queryRaw<Row[]>`
    SELECT id, "createdAt" AS at, type::text AS type, amount::text AS amount, kind, memo, "referenceId" AS reference_id, "transferId" AS transfer_id
    FROM "Transaction"
    WHERE "userId" = ${userId}::uuid
      AND (${query.rentalId ?? null}::uuid IS NULL OR "referenceId" = ${query.rentalId ?? null}::uuid)
      AND (${after?.[0] ?? null}::timestamptz IS NULL OR ("createdAt", id) < (${after?.[0] ?? null}::timestamptz, ${after?.[1] ?? null}::uuid))
    ORDER BY "createdAt" DESC, id DESC
    LIMIT ${query.limit + 1}`;
  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  const next = rows.length > query.limit && last ? writeCursor([last.at.toISOString(), last.id]) : null;
  return { items: shown.map(toLine), next };
}

const toLine = (row: Row): StatementLine => ({
  id: row.id,
  at: row.at.toISOString(),
  type: row.type,
  amount_usd: formatUsd(parseUsd(row.amount)),
  kind: row.kind,
  memo: row.memo,
  reference_id: row.reference_id,
  transfer_id: row.transfer_id,
});
