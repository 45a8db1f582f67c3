import type { Db } from './db.js';

/** How many nodes and rentals there are per status; a status that nobody has is left out. */
export async function nodesByStatus({ client }: Db): Promise<Record<string, number>> {
  const rows = await client.hostNode.groupBy({ by: ['status'], _count: true });
  return Object.fromEntries(rows.map((row) => [row.status, row._count]));
}

export async function rentalsByStatus({ client }: Db): Promise<Record<string, number>> {
  const rows = await client.rental.groupBy({ by: ['status'], _count: true });
  return Object.fromEntries(rows.map((row) => [row.status, row._count]));
}
