import type { PrismaClient } from '@muster/prisma';

/** `JobExecution.archiveKey` of an agreed result whose archive nobody has, and of every copy that is not needed. */
export const NO_ARCHIVE = '';

/** A task with a folder as its result, decided, whose archive was not looked for yet. */
export interface ArchiveDue {
  taskId: string;
  jobId: string;
  index: number;
  canonicalId: string;
  manifest: unknown;
  resultHash: string;
  /** Copies may still report, and bring the archive. */
  open: boolean;
}

const AT_ONCE = 200;

/** The partial index `execution_archive_due` has what this reads, and little else. */
export async function archivesDue(db: PrismaClient): Promise<ArchiveDue[]> {
  return await db.$queryRaw<ArchiveDue[]>`
    SELECT t.id AS "taskId", t."jobId", t.index, t."canonicalId", t."resultHash", c.manifest,
      EXISTS (SELECT 1 FROM "JobExecution" o WHERE o."taskId" = t.id AND o.status IN ('leased', 'running')) AS open
    FROM "Task" t JOIN "JobExecution" c ON c.id = t."canonicalId"
    WHERE t.status = 'final' AND c."archiveKey" IS NULL AND t.id IN (SELECT e."taskId" FROM "JobExecution" e WHERE e.manifest IS NOT NULL AND e."archiveKey" IS NULL)
    ORDER BY t."jobId", t.index LIMIT ${AT_ONCE}::int`;
}

/** Copies that gave the agreed manifest, the one that speaks for the task first. */
export async function copiesThatAgree(db: PrismaClient, { taskId, canonicalId }: ArchiveDue): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT e.id FROM "JobExecution" e JOIN "Task" t ON t.id = e."taskId"
    WHERE t.id = ${taskId}::uuid AND e.status = 'reported' AND e."resultHash" = t."resultHash" ORDER BY e.id <> ${canonicalId}::uuid, e."completedAt", e.id`;
  return rows.map((row) => row.id);
}

/** The archive stands under `key`, or nobody has one (`NO_ARCHIVE`); the task's other copies need none. */
export async function storeArchive(db: PrismaClient, { taskId, canonicalId }: ArchiveDue, key: string): Promise<void> {
  await db.$executeRaw`
    UPDATE "JobExecution" SET "archiveKey" = CASE WHEN id = ${canonicalId}::uuid THEN ${key} ELSE ${NO_ARCHIVE} END
    WHERE "taskId" = ${taskId}::uuid AND manifest IS NOT NULL AND "archiveKey" IS NULL`;
}

/** Copies that were reported after their task had its archive, and those of tasks without a result. Returns their archives. */
export async function dropLateArchives(db: PrismaClient): Promise<{ id: string; jobId: string }[]> {
  return await db.$queryRaw<{ id: string; jobId: string }[]>`
    UPDATE "JobExecution" e SET "archiveKey" = ${NO_ARCHIVE}
    FROM "Task" t LEFT JOIN "JobExecution" c ON c.id = t."canonicalId"
    WHERE t.id = e."taskId" AND e.manifest IS NOT NULL AND e."archiveKey" IS NULL AND (t.status IN ('failed', 'cancelled') OR c."archiveKey" IS NOT NULL)
    RETURNING e.id, e."jobId"`;
}
