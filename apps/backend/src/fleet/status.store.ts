import { Prisma } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { SEVERITY } from './node.rules.js';

/** `deriveStatus` as SQL over the row alias `n`, built from the same table, so that a status is one statement and no read. */
const severe = SEVERITY.map(({ column, value, status }) => `WHEN n."${column}" = '${value}' THEN '${status}'`).join(' ');
const full = `CASE WHEN EXISTS (SELECT 1 FROM "Gpu" g WHERE g."nodeId" = n.id)
  THEN NOT EXISTS (SELECT 1 FROM "Gpu" g WHERE g."nodeId" = n.id AND g."rentalId" IS NULL AND g."executionId" IS NULL AND g.state = 'ok')
  ELSE n."cpuUsed" >= n."cpuTotal" END`;
export const statusSql = Prisma.raw(`(CASE ${severe} WHEN ${full} THEN 'busy' ELSE 'online' END)::"NodeStatus"`);

/**
 * The same word for a statement that changes nothing but how many vCPUs of `n` are used: one with devices is as full as they are. A
 * CASE on the row and one look into an index, since leases and reports come by the thousand.
 */
export const statusWithCpuUsed = (cpuUsed: Prisma.Sql): Prisma.Sql => Prisma.sql`(CASE
  WHEN n.status NOT IN ('online', 'busy') OR EXISTS (SELECT 1 FROM "Gpu" g WHERE g."nodeId" = n.id) THEN n.status
  WHEN ${cpuUsed} >= n."cpuTotal" THEN 'busy' ELSE 'online' END)`;

/** Rewrites the derived word of these nodes after one of their three columns or their capacity changed. */
export async function refreshStatus(tx: Tx, nodeIds: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    UPDATE "HostNode" n SET status = ${statusSql}
    WHERE n.id = ANY(${nodeIds}::uuid[]) AND n.status <> ${statusSql}`;
}
