import type { z } from 'zod';
import type { RentalEventView } from '@muster/shared-types';
import type { PrismaClient } from '@muster/prisma';
import { readCursor, writeCursor, type Page } from '../platform/cursor.js';
import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';

/** Writes down what a renter sees happen, in the transaction in which it does. */
export async function noteEvent(tx: Tx, rentalId: string, at: Date, kind: string, message: string): Promise<void> {
  await tx.rentalEvent.create({ data: { id: newId(), rentalId, at, kind, message } });
}

/** What happened to a rental, oldest first. */
export async function eventsPage(db: PrismaClient, rentalId: string, query: { cursor?: string | undefined; limit: number }): Promise<Page<z.infer<typeof RentalEventView>>> {
  const after = readCursor(query.cursor);
  const rows = await db.rentalEvent.findMany({
    where: { rentalId, ...(after ? { OR: [{ at: { gt: new Date(after[0]) } }, { at: new Date(after[0]), id: { gt: after[1] } }] } : {}) },
    orderBy: [{ at: 'asc' }, { id: 'asc' }],
    take: query.limit + 1,
  });
  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  return {
    items: shown.map((row) => ({ at: row.at.toISOString(), kind: row.kind, message: row.message })),
    next: rows.length > query.limit && last ? writeCursor([last.at.toISOString(), last.id]) : null,
  };
}
