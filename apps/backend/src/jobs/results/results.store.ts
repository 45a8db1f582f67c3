import type { Job, PrismaClient } from '@muster/prisma';

/** A final task with its result. */
export interface PartRow {
  id: string;
  index: number;
  label: string;
  hash: string;
  result: Uint8Array | null;
  manifest: unknown;
  archiveKey: string | null;
}

/** A page ends before it has more bytes of results than this, but has one result at least. */
const PAGE_BYTES = 4 * 1024 * 1024;

/** Final tasks behind `after` in their order, with what they came to; `more` when there are others behind them now. */
export async function partsPage(db: PrismaClient, jobId: string, after: number, limit: number): Promise<{ parts: PartRow[]; more: boolean }> {
  const sizes = await db.$queryRaw<{ id: string; bytes: bigint }[]>`
    SELECT t.id, sum(coalesce(octet_length(e.result), 0)) OVER (ORDER BY t.index) AS bytes
    FROM "Task" t JOIN "JobExecution" e ON e.id = t."canonicalId"
    WHERE t."jobId" = ${jobId}::uuid AND t.kind = 'task' AND t.status = 'final' AND t.index > ${after}::int ORDER BY t.index LIMIT ${limit + 1}::int`;
  const fitting = sizes.filter(({ bytes }, at) => at < limit && (at === 0 || Number(bytes) <= PAGE_BYTES));
  const parts = await db.$queryRaw<PartRow[]>`
    SELECT t.id, t.index, t.label, t."resultHash" AS hash, e.result, e.manifest, e."archiveKey"
    FROM "Task" t JOIN "JobExecution" e ON e.id = t."canonicalId" WHERE t.id = ANY(${fitting.map((row) => row.id)}::uuid[]) ORDER BY t.index`;
  return { parts, more: fitting.length < sizes.length };
}

/** Whether archives of decided tasks are still to be looked through. */
export async function hasArchivesDue(db: PrismaClient, jobId: string): Promise<boolean> {
  const rows = await db.$queryRaw<{ due: boolean }[]>`
    SELECT EXISTS (SELECT 1 FROM "Task" t JOIN "JobExecution" e ON e.id = t."canonicalId"
      WHERE t."jobId" = ${jobId}::uuid AND e.manifest IS NOT NULL AND e."archiveKey" IS NULL) AS due`;
  return rows[0]?.due ?? false;
}

export const jobOfSubmitter = (db: PrismaClient, userId: string, jobId: string): Promise<Job | null> => db.job.findFirst({ where: { id: jobId, submittedBy: userId } });
