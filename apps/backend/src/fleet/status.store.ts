import { Prisma } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { SEVERITY } from './node.rules.js';

/** `deriveStatus` as SQL over the row alias `n`, built from the same table, so that a status is one statement and no read. */
const severe = SEVERITY.map(({ column, value, status }) => `WHEN n."${column}" = '${value}' THEN '${status}'`).join(' ');
const full = `CASE WHEN EXISTS (SELECT 1 FROM "Gpu" g WHERE g."nodeId" = n.id)
  THEN NOT EXISTS (SELECT 1 FROM "Gpu" g WHERE g."nodeId" = n.id AND g."rentalId" IS NULL AND g."executionId" IS NULL AND g.state = 'ok')
  ELSE n."cpuUsed" >= n."cpuTotal" END`;
export const statusSql = Prisma.raw(`(CASE ${severe} WHEN ${full} THEN 'busy' ELSE 'online' END)::"NodeStatus"`);

/** Rewrites the derived word of these nodes after one of their three columns or their capacity changed. */
export async function refreshStatus(tx: Tx, nodeIds: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    UPDATE "HostNode" n SET status = ${statusSql}
    WHERE n.id = ANY(${nodeIds}::uuid[]) AND n.status <> ${statusSql}`;
}
