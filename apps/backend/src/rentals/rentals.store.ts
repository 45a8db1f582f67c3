import type { Prisma, PrismaClient } from '@muster/prisma';
import { readCursor, writeCursor, type Page } from '../platform/cursor.js';
import type { Tx } from '../platform/db.js';
import { LIVE } from './rental.rules.js';

/** What a view of a rental is made of. */
const viewInclude = { gaps: true, node: { select: { name: true, ownerId: true } } } satisfies Prisma.RentalInclude;
export type ViewRental = Prisma.RentalGetPayload<{ include: typeof viewInclude }>;

/** A rental of this renter; null for one of another person, as for one that does not exist. */
export function rentalOf(db: Tx | PrismaClient, renterId: string, rentalId: string): Promise<ViewRental | null> {
  return db.rental.findFirst({ where: { id: rentalId, renterId }, include: viewInclude });
}

/** Rentals of a renter, newest first, ordered by time and id. */
export async function rentalsPage(db: PrismaClient, renterId: string, query: { cursor?: string | undefined; limit: number; state: 'live' | 'all' }): Promise<Page<ViewRental>> {
  const after = readCursor(query.cursor);
  const rows = await db.rental.findMany({
    where: {
      renterId,
      ...(query.state === 'live' ? { status: { in: [...LIVE] } } : {}),
      ...(after ? { OR: [{ createdAt: { lt: new Date(after[0]) } }, { createdAt: new Date(after[0]), id: { lt: after[1] } }] } : {}),
    },
    include: viewInclude,
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    take: query.limit + 1,
  });
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  return { items, next: rows.length > query.limit && last ? writeCursor([last.createdAt.toISOString(), last.id]) : null };
}
