import type { JobStatus } from '@muster/shared-types';
import { Prisma } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { isTerminal, jobStatus, type JobFacts } from './job-status.rules.js';
import { textOf } from './shown.rules.js';

export interface Finish {
  /** Jobs that became terminal by this call. Of a failed one copies may be left: end them in the same transaction. */
  ended: { jobId: string; status: JobStatus }[];
  /** Jobs whose tasks are all final and whose aggregate is to be made now. */
  aggregate: string[];
}

interface JobRow {
  id: string;
  status: JobStatus;
  submitter: string;
  tasks_total: number;
  tasks_final: number;
  tasks_failed: number;
  max_errors: number;
  aggregate: string | null;
  aggregated: boolean;
  fault: string | null;
  ready: boolean;
  leased: boolean;
  running: boolean;
  started: boolean;
}

/**
 * Derives the status of these jobs anew and stores it with all that follows: `startedAt`, `completedAt`, result, fault,
 * `TaskCompletedEvent`. Call it with the jobs locked, in the transaction that changed executions, or the counters
 * `tasksFinal` and `tasksFailed` that it reads. A terminal job is left alone. After commit: `Refunds.wake()`, `Outbox.wake()`.
 */
export async function finishJobs(tx: Tx, jobIds: readonly string[], now: Date): Promise<Finish> {
  const rows = await factsOf(tx, jobIds);
  const moved = rows.map((row) => ({ row, status: jobStatus(toFacts(row)) })).filter(({ row, status }) => status !== row.status);
  const ended = moved.filter(({ status }) => isTerminal(status)).map(({ row, status }) => ({ jobId: row.id, status, submitterId: row.submitter }));
  await store(tx, moved.map(({ row, status }) => ({ id: row.id, status })), now);
  if (ended.length > 0) {
    await explainFailures(tx, ended.filter(({ status }) => status === 'failed').map(({ jobId }) => jobId));
    await copyResults(tx, ended.filter(({ status }) => status === 'completed').map(({ jobId }) => jobId));
    await emitCompleted(tx, ended);
  }
  return { ended: ended.map(({ jobId, status }) => ({ jobId, status })), aggregate: rows.filter(aggregateDue).map((row) => row.id) };
}

async function factsOf(tx: Tx, jobIds: readonly string[]): Promise<JobRow[]> {
  return await tx.$queryRaw<JobRow[]>`
    SELECT j.id, j.status::text AS status, j."submittedBy" AS submitter, j."tasksTotal" AS tasks_total, j."tasksFinal" AS tasks_final, j."tasksFailed" AS tasks_failed,
      j."maxErrors" AS max_errors, j.spec->'aggregate'->>'kind' AS aggregate, j."resultHash" IS NOT NULL AS aggregated, j."faultCode" AS fault,
      j."startedAt" IS NOT NULL AS started,
      EXISTS (SELECT 1 FROM "JobExecution" e WHERE e."jobId" = j.id AND e.status = 'ready') AS ready,
      EXISTS (SELECT 1 FROM "JobExecution" e WHERE e."jobId" = j.id AND e.status IN ('leased', 'running')) AS leased,
      EXISTS (SELECT 1 FROM "JobExecution" e WHERE e."jobId" = j.id AND e.status IN ('leased', 'running') AND e.status = 'running') AS running
    FROM "Job" j WHERE j.id = ANY(${[...jobIds]}::uuid[]) AND j.status NOT IN ('completed', 'failed', 'cancelled') ORDER BY j.id FOR NO KEY UPDATE OF j`;
}

function toFacts(row: JobRow): JobFacts {
  return {
    cancelled: false,
    tasksTotal: row.tasks_total,
    tasksFinal: row.tasks_final,
    tasksFailed: row.tasks_failed,
    maxErrors: row.max_errors,
    aggregate: aggregateOf(row),
    ready: row.ready,
    leased: row.leased,
    running: row.running,
    started: row.started || row.leased,
    ran: row.status === 'running' || row.status === 'verifying',
  };
}

function aggregateOf(row: JobRow): JobFacts['aggregate'] {
  if (row.aggregate === null || row.aggregate === 'none') return 'none';
  if (row.fault === 'aggregate_failed') return 'failed';
  return row.aggregated ? 'made' : 'due';
}

const aggregateDue = (row: JobRow): boolean => aggregateOf(row) === 'due' && row.tasks_final >= row.tasks_total;

async function store(tx: Tx, moved: readonly { id: string; status: JobStatus }[], now: Date): Promise<void> {
  if (moved.length === 0) return;
  await tx.$executeRaw`
    UPDATE "Job" j SET status = w.status::"JobStatus",
      "startedAt" = CASE WHEN w.status = 'pending' THEN j."startedAt" ELSE coalesce(j."startedAt", ${now.toISOString()}::timestamptz) END,
      "completedAt" = CASE WHEN w.status IN ('completed', 'failed') THEN ${now.toISOString()}::timestamptz END,
      "waitingCode" = CASE WHEN w.status = 'pending' THEN j."waitingCode" END, "waitingMessage" = CASE WHEN w.status = 'pending' THEN j."waitingMessage" END
    FROM unnest(${moved.map((one) => one.id)}::uuid[], ${moved.map((one) => one.status)}::text[]) AS w(id, status) WHERE j.id = w.id`;
}

/** The first task that failed speaks for the job, with how many there were. */
async function explainFailures(tx: Tx, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return;
  await tx.$executeRaw`
    UPDATE "Job" j SET "faultCode" = coalesce(j."faultCode", t."faultCode", 'failed'), "errorMessage" = coalesce(j."errorMessage",
      CASE WHEN j."tasksTotal" = 1 THEN t."faultMessage" ELSE j."tasksFailed" || ' of ' || j."tasksTotal" || ' tasks failed; task ' || t.index || ': ' || t."faultMessage" END)
    FROM (SELECT DISTINCT ON ("jobId") "jobId", index, "faultCode", coalesce("faultMessage", 'no reason was given') AS "faultMessage"
          FROM "Task" WHERE "jobId" = ANY(${[...jobIds]}::uuid[]) AND status = 'failed' ORDER BY "jobId", index) t
    WHERE j.id = t."jobId"`;
}

/** A job of one task has that task's result; text is kept beside its hash, so that one row tells it. */
async function copyResults(tx: Tx, jobIds: readonly string[]): Promise<void> {
  if (jobIds.length === 0) return;
  const rows = await tx.$queryRaw<{ id: string; hash: string; result: Uint8Array | null }[]>`
    SELECT j.id, t."resultHash" AS hash, CASE WHEN octet_length(e.result) <= ${SHORT_BYTES}::int THEN e.result END AS result
    FROM "Job" j JOIN "Task" t ON t."jobId" = j.id AND t.index = 0 JOIN "JobExecution" e ON e.id = t."canonicalId"
    WHERE j.id = ANY(${[...jobIds]}::uuid[]) AND j."tasksTotal" = 1 AND j."resultHash" IS NULL AND t.status = 'final'`;
  const values = rows.map((row) => ({ id: row.id, hash: row.hash, result: row.result === null ? null : textOf(row.result) }));
  await tx.$executeRaw`
    UPDATE "Job" j SET "resultHash" = w.hash, result = w.result
    FROM json_to_recordset(${JSON.stringify(values)}::json) AS w(id uuid, hash text, result text) WHERE j.id = w.id`;
}

/** A longer result is read from its execution. */
const SHORT_BYTES = 65_536;

async function emitCompleted(tx: Tx, ended: readonly { jobId: string; status: JobStatus; submitterId: string }[]): Promise<void> {
  const data: Prisma.OutboxEventCreateManyInput[] = ended.map(({ jobId, status, submitterId }) => ({ name: 'TaskCompletedEvent', aggregateId: jobId, actorId: submitterId, payload: { job_id: jobId, status } }));
  await tx.outboxEvent.createMany({ data });
}
