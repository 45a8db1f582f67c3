import pg from 'pg';
import type { LiveRental } from './events.js';

const PATIENCE_MS = 5_000;

const LIVE = `
  SELECT r.id::text AS id, u.email AS renter, n.name AS node, r.status::text AS status,
         to_char(r."startTime" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS started_at, r."costPerHour"::text AS dph_total
  FROM "Rental" r JOIN "User" u ON u.id = r."renterId" JOIN "HostNode" n ON n.id = r."nodeId"
  WHERE r.status IN ('pending', 'starting', 'running', 'stopping') AND ($1::uuid[] IS NULL OR r."nodeId" = ANY($1::uuid[]))
  ORDER BY r."createdAt"`;

/**
 * Rentals that would end with this machine's nodes, read from the database itself: the backend may be down. All of the
 * market's when no node is known. Empty when the database has no tables yet.
 */
export async function liveRentals(databaseUrl: string, nodeIds: readonly string[]): Promise<LiveRental[]> {
  const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: PATIENCE_MS, query_timeout: PATIENCE_MS });
  client.on('error', () => undefined); // the failure also reaches the pending call below
  try {
    await client.connect();
    return (await client.query<LiveRental>(LIVE, [nodeIds.length > 0 ? nodeIds : null])).rows;
  } catch (error) {
    if (isNotThereYet(error)) return [];
    throw error;
  } finally {
    await client.end().catch(() => undefined); // a connection that never opened has nothing to end
  }
}

/** 3D000: no such database; 42P01: no such table. */
const isNotThereYet = (error: unknown): boolean => error instanceof Error && 'code' in error && (error.code === '3D000' || error.code === '42P01');
