import { Prisma } from '@muster/prisma';
import type { PrismaClient } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { COLUMN_OF, OFFER_VERSION, STORED_FIELDS } from './offer-columns.rules.js';

type Reader = Tx | PrismaClient;

/** One replica at a time makes offers: the newest look at a node is the last one written. */
const MAKING_OFFERS = 7_230_001;

const TYPES: ReadonlyMap<string, string> = new Map([
  ['id', 'text'],
  ['ownerId', 'uuid'],
  ['version', 'int'],
  ['gpuPlain', 'text'],
  ['view', 'jsonb'],
  ...STORED_FIELDS.map((field): [string, string] => [COLUMN_OF[field].name, field === 'node_id' ? 'uuid' : COLUMN_OF[field].type]),
]);
const NAMES = [...TYPES.keys()];
const quoted = (prefix = ''): string => NAMES.map((name) => `${prefix}"${name}"`).join(', ');
const columns = Prisma.raw(quoted());
const record = Prisma.raw([...TYPES].map(([name, type]) => `"${name}" ${type}`).join(', '));
const assignments = Prisma.raw(NAMES.map((name) => `"${name}" = excluded."${name}"`).join(', '));
const before = Prisma.raw(quoted('o.'));
const after = Prisma.raw(quoted('excluded.'));

/** Whether any node waits. The queue's oldest end is read, where dead entries are skipped by the index. */
export async function anyStale(db: Reader): Promise<boolean> {
  const rows = await db.$queryRaw<unknown[]>`SELECT 1 FROM "OfferStale" ORDER BY id LIMIT 1`;
  return rows.length > 0;
}

/** A market that runs many jobs marks the same nodes over and over: so many entries are looked through for different ones. */
const LOOKED_THROUGH = 20_000;

/** Takes so many nodes off the queue, the longest marked first, with all their entries. What is read of them afterwards is newer than each change. */
export async function takeStale(tx: Tx, nodes: number): Promise<string[]> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${MAKING_OFFERS})`;
  const rows = await tx.$queryRaw<{ node_id: string }[]>`
    WITH marked AS (SELECT "nodeId" FROM (SELECT id, "nodeId" FROM "OfferStale" ORDER BY id LIMIT ${LOOKED_THROUGH}) oldest GROUP BY "nodeId" ORDER BY min(id) LIMIT ${nodes}),
      taken AS (DELETE FROM "OfferStale" s USING marked m WHERE s."nodeId" = m."nodeId" RETURNING s."nodeId")
    SELECT DISTINCT "nodeId" AS node_id FROM taken`;
  return rows.map((row) => row.node_id);
}

/** Makes the rows of these nodes equal to what is given. A row that is right already is not written. */
export async function replaceOffers(tx: Tx, nodeIds: readonly string[], rows: readonly Record<string, unknown>[]): Promise<void> {
  const ids = rows.map((row) => row['id']);
  await tx.$executeRaw`
    DELETE FROM "Offer" o WHERE o."nodeId" = ANY(${nodeIds}::uuid[]) AND NOT EXISTS (SELECT 1 FROM unnest(${ids}::text[]) AS kept(id) WHERE kept.id = o.id)`;
  if (rows.length === 0) return;
  await tx.$executeRaw`
    INSERT INTO "Offer" AS o (${columns}) SELECT ${columns} FROM jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) AS made(${record})
    ON CONFLICT (id) DO UPDATE SET ${assignments} WHERE (${before}) IS DISTINCT FROM (${after})`;
}

/** Nodes whose offers an earlier version of this program made are made anew. */
export async function markEarlierVersions(db: PrismaClient): Promise<void> {
  await db.$executeRaw`INSERT INTO "OfferStale" ("nodeId") SELECT DISTINCT "nodeId" FROM "Offer" WHERE version <> ${OFFER_VERSION}`;
}

/** Nodes with offers, and the reliability that these show. */
export function shownReliability(db: PrismaClient): Promise<{ id: string; ppm: number }[]> {
  return db.$queryRaw`SELECT "nodeId" AS id, min("reliabilityPpm") AS ppm FROM "Offer" GROUP BY 1`;
}

export async function markStale(db: PrismaClient, nodeIds: readonly string[]): Promise<void> {
  await db.$executeRaw`INSERT INTO "OfferStale" ("nodeId") SELECT unnest(${nodeIds}::uuid[])`;
}
