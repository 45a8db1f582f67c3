import type { PrismaClient } from '@muster/prisma';
import type { Aggregate } from '@muster/shared-types';
import type { Tx } from '../../platform/db.js';
import { newId } from '../../platform/ids.js';
import type { AggregatePart } from './task-inputs.js';

/** A job whose tasks are all final and whose aggregate is missing. */
export interface AggregateDue {
  id: string;
  aggregate: Aggregate;
  outputs: string | null;
  redundancy: number;
  tasksTotal: number;
  /** Of a container: its own task was made, and is final now. */
  containerTask: boolean;
}

const AT_ONCE = 100;

/** Of all open jobs (index `job_open`), or of these alone. */
export async function aggregatesDue(db: PrismaClient, only: readonly string[] | undefined): Promise<AggregateDue[]> {
  return await db.$queryRaw<AggregateDue[]>`
    SELECT j.id, j.spec->'aggregate' AS aggregate, j.spec->>'outputs' AS outputs, j.redundancy, j."tasksTotal",
      EXISTS (SELECT 1 FROM "Task" t WHERE t."jobId" = j.id AND t.kind = 'aggregate') AS "containerTask"
    FROM "Job" j WHERE j.status NOT IN ('completed', 'failed', 'cancelled') AND j."tasksFinal" = j."tasksTotal" AND j."resultHash" IS NULL AND j."faultCode" IS NULL
      AND j.spec->'aggregate'->>'kind' <> 'none' AND (${only === undefined}::bool OR j.id = ANY(${[...(only ?? [])]}::uuid[]))
    ORDER BY j."submittedAt", j.id LIMIT ${AT_ONCE}::int`;
}

/** Locks the job, when its aggregate is still to be made. */
export async function lockDue(tx: Tx, jobId: string): Promise<boolean> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM "Job" WHERE id = ${jobId}::uuid AND status NOT IN ('completed', 'failed', 'cancelled') AND "tasksFinal" = "tasksTotal"
      AND "resultHash" IS NULL AND "faultCode" IS NULL FOR NO KEY UPDATE`;
  return rows.length === 1;
}

export interface MadeAggregate {
  resultHash: string;
  resultKey: string | null;
  /** When it is short and text. */
  result: string | null;
}

export async function storeAggregate(tx: Tx, jobId: string, made: MadeAggregate): Promise<void> {
  await tx.job.update({ where: { id: jobId }, data: { ...made } });
}

export async function storeAggregateFault(tx: Tx, jobId: string, message: string): Promise<void> {
  await tx.job.update({ where: { id: jobId }, data: { faultCode: 'aggregate_failed', errorMessage: message } });
}

/** One more task, behind all others, with its copies. */
export async function insertAggregateTask(tx: Tx, job: AggregateDue, part: AggregatePart, now: Date): Promise<void> {
  const taskId = newId();
  const { redundancy, id: jobId, tasksTotal: index } = job;
  await tx.task.create({ data: { id: taskId, jobId, index, kind: 'aggregate', label: 'aggregate', copies: redundancy, part } });
  await tx.jobExecution.createMany({ data: Array.from({ length: redundancy }, (_, copy) => ({ id: newId(), jobId, taskId, copy, createdAt: now })) });
  await tx.job.update({ where: { id: jobId }, data: { tasksTotal: { increment: 1 } } });
}

export interface FinalTask {
  index: number;
  resultHash: string;
  size: number;
  /** Of a result folder; null while it was not looked for, empty when nobody has it. */
  archiveKey: string | null;
}

/** Ordinary tasks with their results' sizes, in order. */
export async function finalTasks(db: PrismaClient, jobId: string): Promise<FinalTask[]> {
  return await db.$queryRaw<FinalTask[]>`
    SELECT t.index, t."resultHash", coalesce(octet_length(e.result), 0) AS size, e."archiveKey"
    FROM "Task" t JOIN "JobExecution" e ON e.id = t."canonicalId" WHERE t."jobId" = ${jobId}::uuid AND t.kind = 'task' AND t.status = 'final' ORDER BY t.index`;
}

interface ContainerResult {
  result: Uint8Array | null;
  archiveKey: string | null;
  isFolder: boolean;
}

/** Result of the task that aggregated. */
export async function containerResult(db: PrismaClient, jobId: string): Promise<ContainerResult | undefined> {
  const rows = await db.$queryRaw<ContainerResult[]>`
    SELECT e.result, e."archiveKey", e.manifest IS NOT NULL AS "isFolder"
    FROM "Task" t JOIN "JobExecution" e ON e.id = t."canonicalId" WHERE t."jobId" = ${jobId}::uuid AND t.kind = 'aggregate' AND t.status = 'final'`;
  return rows[0];
}
