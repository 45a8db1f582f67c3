import { Prisma, type PrismaClient } from '@muster/prisma';
import { type Spread } from './prices.rules.js';

/** Machines without GPUs, where a model would stand. */
export const CPU = 'cpu';
const cpu = Prisma.raw(`'${CPU}'`);

export interface ModelPrices {
  /** Folded, as it is searched by; `cpu`. */
  key: string;
  gpuName: string | null;
  offers: number;
  free: number;
  /** Micro-dollars per hour of one GPU or vCPU, one per node, lowest first. */
  prices: bigint[];
}

/** What is free now. A node counts once per model, by its smallest offer. */
export async function pricesNow(db: PrismaClient): Promise<ModelPrices[]> {
  const rows = await db.$queryRaw<{ key: string; name: string | null; offers: number; free: number; prices: string[] }[]>`
    WITH smallest AS (
      SELECT DISTINCT ON ("nodeId", coalesce("gpuName", ${cpu})) id, coalesce("gpuName", ${cpu}) AS key, "dphTotalMicro" / greatest("numGpus", CASE WHEN "numGpus" = 0 THEN "cpuCores" ELSE 1 END) AS price
      FROM "Offer" ORDER BY "nodeId", coalesce("gpuName", ${cpu}), "numGpus", "cpuCores"),
    counted AS (
      SELECT key, sum(offers)::int AS offers, sum(most)::int AS free FROM (
        SELECT coalesce("gpuName", ${cpu}) AS key, "nodeId", count(*) AS offers, max(greatest("numGpus", CASE WHEN "numGpus" = 0 THEN "cpuCores" ELSE 1 END)) AS most FROM "Offer" GROUP BY 1, 2) per_node
      GROUP BY key)
    SELECT s.key, (SELECT view->>'gpu_name' FROM "Offer" o WHERE o.id = min(s.id)) AS name, min(c.offers) AS offers, min(c.free) AS free,
      array_agg(s.price::text ORDER BY s.price) AS prices
    FROM smallest s JOIN counted c ON c.key = s.key GROUP BY s.key ORDER BY s.key`;
  return rows.map(({ name, prices, ...row }) => ({ ...row, gpuName: name, prices: prices.map(BigInt) }));
}

/** Keeps the prices of this hour; an earlier look in it is replaced. */
export async function keepHour(db: PrismaClient, at: Date, spreads: readonly (Spread & { key: string })[]): Promise<void> {
  const column = <T>(of: (spread: Spread & { key: string }) => T): T[] => spreads.map(of);
  await db.$executeRaw`
    INSERT INTO "PriceHour" ("gpuName", at, nodes, "p10Micro", "medianMicro", "p90Micro")
    SELECT key, ${at}, nodes, p10, median, p90
    FROM unnest(${column(({ key }) => key)}::text[], ${column(({ nodes }) => nodes)}::int[], ${column(({ p10Micro }) => p10Micro)}::bigint[], ${column(({ medianMicro }) => medianMicro)}::bigint[], ${column(({ p90Micro }) => p90Micro)}::bigint[])
      AS seen(key, nodes, p10, median, p90)
    ON CONFLICT ("gpuName", at) DO UPDATE SET nodes = excluded.nodes, "p10Micro" = excluded."p10Micro", "medianMicro" = excluded."medianMicro", "p90Micro" = excluded."p90Micro"`;
}

/** Hours as they were kept, or the mean of each day, oldest first. */
export function priceHistory(db: PrismaClient, key: string, since: Date, step: 'hour' | 'day'): Promise<(Spread & { at: Date })[]> {
  return db.$queryRaw`
    SELECT date_trunc(${step}, at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' AS at, round(avg(nodes))::int AS nodes, round(avg("p10Micro"))::bigint AS "p10Micro", round(avg("medianMicro"))::bigint AS "medianMicro",
      round(avg("p90Micro"))::bigint AS "p90Micro"
    FROM "PriceHour" WHERE "gpuName" = ${key} AND at >= ${since} GROUP BY 1 ORDER BY 1`;
}

export async function forgetBefore(db: PrismaClient, at: Date): Promise<void> {
  await db.priceHour.deleteMany({ where: { at: { lt: at } } });
}
