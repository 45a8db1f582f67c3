import { Prisma, type Job, type PrismaClient } from '@muster/prisma';
import type { JobStatus } from '@muster/shared-types';
import { readCursor, writeCursor, type Page } from '../platform/cursor.js';
import type { Tx } from '../platform/db.js';

type Reader = Tx | PrismaClient;

export interface JobCounts {
  running: number;
  reported: number;
  /** Bytes of the one result, when the row of the job has no text of it. */
  bytes?: Uint8Array | null;
  extraWarnings?: readonly string[];
}

export const NO_COUNTS: JobCounts = { running: 0, reported: 0 };

/** A job of this account; null for one of another person, as for one that does not exist. */
export const jobOf = (db: Reader, userId: string, jobId: string): Promise<Job | null> => db.job.findFirst({ where: { id: jobId, submittedBy: userId } });

/** Of a list only what a line of it shows: what a job runs on can be long. */
const summary = {
  id: true, name: true, dockerImage: true, status: true, redundancy: true, consensus: true, submittedAt: true, startedAt: true, completedAt: true,
  tasksTotal: true, tasksFinal: true, tasksFailed: true, faultCode: true, errorMessage: true, waitingCode: true, waitingMessage: true, heldMicro: true, paidMicro: true,
} satisfies Prisma.JobSelect;
export type SummaryRow = Prisma.JobGetPayload<{ select: typeof summary }>;

export interface JobsQuery {
  cursor?: string | undefined;
  limit: number;
  status?: JobStatus | undefined;
  /** Part of the name, in any case. */
  name?: string | undefined;
}

/** Jobs of an account, newest first. */
export async function jobsPage(db: PrismaClient, userId: string, query: JobsQuery): Promise<Page<SummaryRow>> {
  const after = readCursor(query.cursor);
  const rows = await db.job.findMany({
    where: {
      submittedBy: userId,
      ...(query.status ? { status: query.status } : {}),
      ...(query.name ? { name: { contains: query.name, mode: 'insensitive' } } : {}),
      ...(after ? { OR: [{ submittedAt: { lt: new Date(after[0]) } }, { submittedAt: new Date(after[0]), id: { lt: after[1] } }] } : {}),
    },
    select: summary,
    orderBy: [{ submittedAt: 'desc' }, { id: 'desc' }],
    take: query.limit + 1,
  });
  const items = rows.slice(0, query.limit);
  const last = items.at(-1);
  return { items, next: rows.length > query.limit && last ? writeCursor([last.submittedAt.toISOString(), last.id]) : null };
}

/** How many executions of each job run and how many were reported. A job that has none of both is left out. */
export async function countsOf(db: Reader, jobIds: readonly string[]): Promise<Map<string, JobCounts>> {
  if (jobIds.length === 0) return new Map();
  const rows = await db.$queryRaw<{ id: string; running: bigint; reported: bigint }[]>`
    SELECT "jobId" AS id, count(*) FILTER (WHERE status IN ('leased', 'running')) AS running, count(*) FILTER (WHERE status = 'reported') AS reported
    FROM "JobExecution" WHERE "jobId" = ANY(${[...jobIds]}::uuid[]) AND status IN ('leased', 'running', 'reported') GROUP BY 1`;
  return new Map(rows.map((row) => [row.id, { running: Number(row.running), reported: Number(row.reported) }]));
}

/** The result of a job of one task, as bytes, when it is not too long to be shown. */
export async function soleResult(db: Reader, jobId: string): Promise<Uint8Array | null> {
  const [row] = await db.$queryRaw<{ result: Uint8Array | null }[]>`
    SELECT e.result FROM "Job" j JOIN "Task" t ON t."jobId" = j.id AND t.index = 0 JOIN "JobExecution" e ON e.id = t."canonicalId"
    WHERE j.id = ${jobId}::uuid AND j."tasksTotal" = 1 AND j.spec->'aggregate'->>'kind' = 'none'`;
  return row?.result ?? null;
}
