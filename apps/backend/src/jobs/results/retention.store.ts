import type { PrismaClient } from '@muster/prisma';
import { NOTHING_KEPT } from './retention.rules.js';

const AT_ONCE = 100;

/** Says of jobs that have ended how long their results are kept. */
export async function promiseRetention(db: PrismaClient, days: number): Promise<void> {
  await db.$executeRaw`
    UPDATE "Job" SET "keptUntil" = "completedAt" + ${days}::int * interval '1 day' WHERE "completedAt" IS NOT NULL AND "keptUntil" IS NULL`;
}

export async function expiredJobs(db: PrismaClient, now: Date): Promise<string[]> {
  const rows = await db.job.findMany({ where: { keptUntil: { lte: now, gt: NOTHING_KEPT } }, select: { id: true }, take: AT_ONCE });
  return rows.map((row) => row.id);
}

/** Takes results and logs out of the rows; who computed what, and what it earned, stays. */
export async function forgetResults(db: PrismaClient, jobIds: readonly string[]): Promise<void> {
  await db.$transaction([
    db.$executeRaw`UPDATE "JobExecution" SET result = NULL, manifest = NULL, "archiveKey" = NULL, logs = '' WHERE "jobId" = ANY(${[...jobIds]}::uuid[])`,
    db.$executeRaw`UPDATE "Task" SET part = NULL WHERE "jobId" = ANY(${[...jobIds]}::uuid[]) AND part IS NOT NULL`,
    db.$executeRaw`UPDATE "Job" SET result = NULL, "resultKey" = NULL, "keptUntil" = ${NOTHING_KEPT.toISOString()}::timestamptz WHERE id = ANY(${[...jobIds]}::uuid[])`,
  ]);
}

/** Uploads older than `before` that no open job names; those that nobody ever filled, older than `unfilledBefore`. */
export async function expiredUploads(db: PrismaClient, before: Date, unfilledBefore: Date): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT u.id FROM "Upload" u
    WHERE (u."createdAt" < ${before.toISOString()}::timestamptz OR (u."storedAt" IS NULL AND u."createdAt" < ${unfilledBefore.toISOString()}::timestamptz))
      AND NOT EXISTS (SELECT 1 FROM "Job" j WHERE j.status NOT IN ('completed', 'failed', 'cancelled')
        AND (j.spec->'inputs' @> jsonb_build_array(jsonb_build_object('upload_id', u.id::text))
          OR EXISTS (SELECT 1 FROM "Task" t WHERE t."jobId" = j.id AND t.part->>'upload_id' = u.id::text)))
    LIMIT ${AT_ONCE}::int`;
  return rows.map((row) => row.id);
}
