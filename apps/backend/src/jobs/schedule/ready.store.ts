import type { PrismaClient } from '@muster/prisma';

/** Jobs with copies that wait for a node, the one that waited longest for its turn first. */
export async function jobsWaiting(db: PrismaClient, limit: number): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    /* muster:jobs-waiting */ SELECT j.id FROM "Job" j
    WHERE j.status NOT IN ('completed', 'failed', 'cancelled') AND EXISTS (SELECT 1 FROM "JobExecution" e WHERE e."jobId" = j.id AND e.status = 'ready')
    ORDER BY j."servedAt", j.id LIMIT ${limit}::int`;
  return rows.map((row) => row.id);
}

export interface ReadyRow {
  id: string;
  job: string;
  task: string;
  pinned: string | null;
  held: string[] | null;
  soured: string[] | null;
}

/** From each of these jobs the next waiting copies after its place, with who holds or has soured their task. */
export async function readyCopies(db: PrismaClient, places: readonly { jobId: string; after: string | null; limit: number }[]): Promise<ReadyRow[]> {
  const rows = JSON.stringify(places.map(({ jobId, after, limit }) => ({ job: jobId, after, most: limit })));
  return await db.$queryRaw<ReadyRow[]>`
    /* muster:ready-copies */ SELECT e.id, p.job, e."taskId" AS task, e."nodeId" AS pinned, x.held, x.soured
    FROM json_to_recordset(${rows}::json) AS p(job uuid, after uuid, most int)
    CROSS JOIN LATERAL (
      SELECT id, "taskId", "nodeId" FROM "JobExecution"
      WHERE "jobId" = p.job AND status = 'ready' AND (p.after IS NULL OR id > p.after) ORDER BY id LIMIT p.most) e
    CROSS JOIN LATERAL (
      SELECT array_agg(o."distinctKey") FILTER (WHERE o.status IN ('leased', 'running', 'reported') OR (o.status = 'errored' AND o."faultBlame" = 'job')) AS held,
             array_agg(DISTINCT o."nodeId") FILTER (WHERE o.status = 'expired' OR (o.status = 'errored' AND o."faultBlame" = 'node')) AS soured
      FROM "JobExecution" o WHERE o."taskId" = e."taskId" AND o.purpose = 'copy' AND o."nodeId" IS NOT NULL) x`;
}

/** The jobs of a full page had their turn: they go behind the others. */
export async function noteServed(db: PrismaClient, jobIds: readonly string[], now: Date): Promise<void> {
  await db.$executeRaw`
    UPDATE "Job" SET "servedAt" = ${now.toISOString()}::timestamptz
    WHERE id IN (SELECT id FROM "Job" WHERE id = ANY(${[...jobIds]}::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)`;
}

/** Executions in hand per node, of these nodes. */
export async function liveCounts(db: PrismaClient, nodeIds: readonly string[]): Promise<Map<string, number>> {
  if (nodeIds.length === 0) return new Map();
  const rows = await db.$queryRaw<{ id: string; live: bigint }[]>`
    SELECT "nodeId" AS id, count(*) AS live FROM "JobExecution" WHERE status IN ('leased', 'running') AND "nodeId" = ANY(${[...nodeIds]}::uuid[]) GROUP BY 1`;
  return new Map(rows.map((row) => [row.id, Number(row.live)]));
}
