import type { PrismaClient } from '@muster/prisma';

export interface EarningsRow {
  day: string;
  nodeId: string;
  rentalsMicro: bigint;
  jobsMicro: bigint;
}

/** Money of an owner's nodes per day (UTC), newest day first. Jobs are counted by their ledger entries, where a credit is 1,000 micro-dollars. */
export function earningsByDay(db: PrismaClient, ownerId: string, since: Date, nodeId: string | undefined): Promise<EarningsRow[]> {
  const only = nodeId ?? null;
  return db.$queryRaw`
    WITH own AS (SELECT id FROM "HostNode" WHERE "ownerId" = ${ownerId}::uuid AND (${only}::uuid IS NULL OR id = ${only}::uuid)),
    lines AS (
      SELECT r."nodeId" AS node, c."toAt" AS at, c."amountMicro" AS rentals, 0::bigint AS jobs FROM own JOIN "Rental" r ON r."nodeId" = own.id JOIN "RentalCharge" c ON c."rentalId" = r.id WHERE c."toAt" >= ${since}
      UNION ALL
      SELECT e."nodeId", e.timestamp, 0, (e.credits * 1000)::bigint FROM own JOIN "LedgerEntry" e ON e."nodeId" = own.id WHERE e.timestamp >= ${since} AND e.credits > 0)
    SELECT to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, node AS "nodeId", sum(rentals)::bigint AS "rentalsMicro", sum(jobs)::bigint AS "jobsMicro"
    FROM lines GROUP BY 1, 2 HAVING sum(rentals) + sum(jobs) > 0 ORDER BY 1 DESC, 2`;
}

export interface Stretch {
  nodeId: string;
  fromAt: Date;
  toAt: Date | null;
  /** 0…1 of the machine; 1 for a stretch in which it was down. */
  share: number;
}

/** Rentals on an owner's nodes that touch the time from `since` on, with the part of the machine that each held. */
export function rentedStretches(db: PrismaClient, ownerId: string, since: Date): Promise<Stretch[]> {
  return db.$queryRaw`
    SELECT r."nodeId", r."createdAt" AS "fromAt", coalesce(r."releasedAt", r."parkedAt") AS "toAt",
      least(1, CASE WHEN g.count > 0 THEN r."numGpus"::float8 / g.count ELSE r."cpuCores"::float8 / greatest(n."cpuTotal", 1) END) AS share
    FROM "HostNode" n JOIN "Rental" r ON r."nodeId" = n.id LEFT JOIN LATERAL (SELECT count(*) FROM "Gpu" WHERE "nodeId" = n.id) g ON true
    WHERE n."ownerId" = ${ownerId}::uuid AND coalesce(r."releasedAt", r."parkedAt", 'infinity') > ${since}`;
}

export function downStretches(db: PrismaClient, ownerId: string, since: Date): Promise<Stretch[]> {
  return db.$queryRaw`
    SELECT d."nodeId", d."fromAt", d."toAt", 1::float8 AS share FROM "HostNode" n JOIN "NodeDowntime" d ON d."nodeId" = n.id
    WHERE n."ownerId" = ${ownerId}::uuid AND coalesce(d."toAt", 'infinity') > ${since}`;
}
