import type { Reliability } from '@muster/shared-types';
import type { PrismaClient } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { reliability, windowStart } from './reliability.rules.js';

interface Row {
  id: string;
  registeredAt: Date;
  startsOk: number;
  startsFailed: number;
  downMs: number;
}

/** Reliability with its parts for each of these nodes that exists, in one statement. */
export async function reliabilityOf(db: Tx | PrismaClient, nodeIds: readonly string[], now: Date): Promise<Map<string, Reliability>> {
  const rows = await db.$queryRaw<Row[]>`
    SELECT n.id, n."registeredAt", n."startsOk", n."startsFailed",
      coalesce(sum(extract(epoch FROM least(coalesce(d."toAt", ${now}), ${now}) - greatest(d."fromAt", ${windowStart(now)}))) * 1000, 0)::float8 AS "downMs"
    FROM "HostNode" n
    LEFT JOIN "NodeDowntime" d ON d."nodeId" = n.id AND d."fromAt" < ${now} AND coalesce(d."toAt", ${now}) > ${windowStart(now)}
    WHERE n.id = ANY(${nodeIds}::uuid[])
    GROUP BY n.id`;
  return new Map(rows.map((row) => [row.id, reliability(row, now)]));
}
