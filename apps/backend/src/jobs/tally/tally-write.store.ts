import type { ExecutionStatus, ExecutionVerdict, Manifest, TaskStatus } from '@muster/shared-types';
import { REPUTATION_CAP } from '@muster/shared-types';
import { Prisma } from '@muster/prisma';
import { refreshStatus, statusWithCpuUsed } from '../../fleet/for-jobs.js';
import type { Tx } from '../../platform/db.js';
import { newId } from '../../platform/ids.js';

/** An execution whose run has ended by this batch. */
export interface EndedRun {
  id: string;
  /** It was in its node's hands; false for a second run that its node never took. */
  live: boolean;
  status: Extract<ExecutionStatus, 'reported' | 'errored' | 'expired'>;
  verdict: ExecutionVerdict;
  hash: string | null;
  bytes: Uint8Array | null;
  manifest: Manifest | null;
  exitCode: number | null;
  faultCode: string | null;
  faultBlame: string | null;
  errorMessage: string | null;
  logs: string;
  durationMs: number | null;
  imageDigest: string | null;
  batchSeq: number | null;
  reputation: number;
  paid: Paid | null;
}

/** What a run was paid, and by which transfer. */
export interface Paid {
  amount: string;
  transfer: string;
}

const UNPAID = { amount: '0', transfer: null };

/** Writes what runs came to. Only one that is still as the caller read it under the job's lock is changed: else all of it is tried again. */
export async function writeEnded(tx: Tx, runs: readonly EndedRun[], now: Date): Promise<void> {
  if (runs.length === 0) return;
  const rows = JSON.stringify(runs.map(({ bytes, paid, ...run }) => ({ ...run, ...(paid ?? UNPAID), result: bytes && Buffer.from(bytes).toString('base64') })));
  const written = await tx.$executeRaw`
    /* muster:ended */ UPDATE "JobExecution" e SET status = w.status::"ExecutionStatus", verdict = w.verdict::"ExecutionVerdict", "completedAt" = ${now.toISOString()}::timestamptz,
      "resultHash" = w.hash, result = decode(w.result, 'base64'), manifest = w.manifest, "exitCode" = w."exitCode", "faultCode" = w."faultCode",
      "faultBlame" = w."faultBlame", "errorMessage" = w."errorMessage", logs = w.logs, "durationMs" = w."durationMs", "imageDigest" = w."imageDigest", "batchSeq" = w."batchSeq",
      "reputationDelta" = w.reputation, "paidMicro" = w.amount, "transferId" = w.transfer
    FROM json_to_recordset(${rows}::json) AS w(id uuid, status text, verdict text, hash text, result text, manifest jsonb, "exitCode" int, "faultCode" text,
      "faultBlame" text, "errorMessage" text, logs text, "durationMs" int, "imageDigest" text, "batchSeq" bigint, reputation int, live boolean, amount bigint, transfer uuid)
    WHERE e.id = w.id AND e.status = ANY (CASE WHEN w.live THEN '{leased,running}' ELSE '{ready}' END::"ExecutionStatus"[])`;
  if (written !== runs.length) throw new Error(`${runs.length - written} executions changed under the lock of their job`);
}

/** Verdicts, and pay, of runs that were reported before this batch. Each gets one verdict, ever. */
export async function writeVerdicts(tx: Tx, runs: readonly { id: string; verdict: ExecutionVerdict; reputation: number; paid: Paid | null }[]): Promise<void> {
  if (runs.length === 0) return;
  const rows = JSON.stringify(runs.map(({ paid, ...run }) => ({ ...run, ...(paid ?? UNPAID) })));
  const written = await tx.$executeRaw`
    /* muster:verdicts */ UPDATE "JobExecution" e SET verdict = w.verdict::"ExecutionVerdict", "reputationDelta" = w.reputation, "paidMicro" = w.amount, "transferId" = w.transfer
    FROM json_to_recordset(${rows}::json) AS w(id uuid, verdict text, reputation int, amount bigint, transfer uuid)
    WHERE e.id = w.id AND e.status = 'reported' AND e.verdict = 'none'`;
  if (written !== runs.length) throw new Error(`${runs.length - written} executions had a verdict already`);
}

export interface TaskChange {
  id: string;
  status: TaskStatus;
  canonicalId: string | null;
  resultHash: string | null;
  faultCode: string | null;
  faultMessage: string | null;
  newCopies: number;
}

/** A task that is decided stays decided. */
export async function writeTasks(tx: Tx, tasks: readonly TaskChange[], now: Date): Promise<void> {
  if (tasks.length === 0) return;
  await tx.$executeRaw`
    /* muster:tasks */ UPDATE "Task" t SET status = w.status::"TaskStatus", "canonicalId" = w."canonicalId", "resultHash" = w."resultHash", "faultCode" = w."faultCode",
      "faultMessage" = w."faultMessage", copies = t.copies + w."newCopies", "decidedAt" = CASE WHEN w.status IN ('final', 'failed') THEN ${now.toISOString()}::timestamptz END
    FROM json_to_recordset(${JSON.stringify(tasks)}::json) AS w(id uuid, status text, "canonicalId" uuid, "resultHash" text, "faultCode" text, "faultMessage" text, "newCopies" int)
    WHERE t.id = w.id AND t.status IN ('open', 'quorum_pending', 'disputed')`;
}

/** Copies that still wait for a node are needed no more. One that is being leased at this moment is: it runs to its end. */
export async function dropReady(tx: Tx, taskIds: readonly string[], now: Date): Promise<void> {
  if (taskIds.length === 0) return;
  await tx.$executeRaw`
    /* muster:drop-ready */ UPDATE "JobExecution" SET status = 'unneeded', "completedAt" = ${now.toISOString()}::timestamptz
    WHERE "taskId" = ANY(${[...taskIds]}::uuid[]) AND status = 'ready'`;
}

export interface RunToAdd {
  jobId: string;
  taskId: string;
  copy: number;
  attempt: number;
  purpose: 'copy' | 'recheck';
  nodeId: string | null;
  ownerId: string | null;
  key: string | null;
}

export async function addRuns(tx: Tx, runs: readonly RunToAdd[], now: Date): Promise<void> {
  if (runs.length === 0) return;
  const rows = JSON.stringify(runs.map((run) => ({ id: newId(), ...run })));
  await tx.$executeRaw`
    /* muster:add-runs */ INSERT INTO "JobExecution" (id, "jobId", "taskId", copy, attempt, purpose, "nodeId", "ownerId", "distinctKey", "createdAt")
    SELECT w.id, w."jobId", w."taskId", w.copy, w.attempt, w.purpose, w."nodeId", w."ownerId", w.key, ${now.toISOString()}::timestamptz
    FROM json_to_recordset(${rows}::json) AS w(id uuid, "jobId" uuid, "taskId" uuid, copy int, attempt int, purpose text, "nodeId" uuid, "ownerId" uuid, key uuid)`;
}

/** What a batch means for one node: what it has free again, what it is worth, what it has done. */
export interface NodeChange {
  id: string;
  cpu: number;
  ram: number;
  disk: number;
  ran: number;
  valid: number;
  invalid: number;
  earnedMicro: bigint;
  /** In the order in which they count, since the score stops at its bounds. */
  deltas: number[];
}

/** Locks the nodes by id, then moves all their counters in one statement. */
export async function writeNodes(tx: Tx, changes: readonly NodeChange[]): Promise<void> {
  if (changes.length === 0) return;
  const scores = await tx.$queryRaw<{ id: string; score: number }[]>`
    /* muster:lock-nodes */ SELECT id, "reputationScore" AS score FROM "HostNode" WHERE id = ANY(${changes.map((change) => change.id)}::uuid[]) ORDER BY id FOR NO KEY UPDATE`;
  const scoreOf = new Map(scores.map((row) => [row.id, row.score]));
  const rows = changes.map(({ deltas, earnedMicro, ...change }) => ({
    ...change,
    earned: earnedMicro.toString(),
    score: deltas.reduce((score, delta) => Math.min(REPUTATION_CAP, Math.max(0, score + delta)), scoreOf.get(change.id) ?? 0),
  }));
  await tx.$executeRaw`
    /* muster:nodes */ UPDATE "HostNode" n SET "cpuUsed" = n."cpuUsed" - w.cpu, "ramMbUsed" = n."ramMbUsed" - w.ram, "diskGbUsed" = n."diskGbUsed" - w.disk,
      "totalJobsRun" = n."totalJobsRun" + w.ran, "successfulJobsRun" = n."successfulJobsRun" + w.valid, "failedJobs" = n."failedJobs" + w.invalid,
      "creditsEarned" = n."creditsEarned" + w.earned, "reputationScore" = w.score,
      status = ${statusWithCpuUsed(Prisma.sql`n."cpuUsed" - w.cpu`)}
    FROM json_to_recordset(${JSON.stringify(rows)}::json) AS w(id uuid, cpu int, ram int, disk int, ran int, valid int, invalid int, earned bigint, score int) WHERE n.id = w.id`;
}

/** Of nodes that are locked. */
export async function freeDevices(tx: Tx, executionIds: readonly string[]): Promise<void> {
  if (executionIds.length === 0) return;
  const freed = await tx.$queryRaw<{ node: string }[]>`UPDATE "Gpu" SET "executionId" = NULL WHERE "executionId" = ANY(${[...executionIds]}::uuid[]) RETURNING "nodeId" AS node`;
  await refreshStatus(tx, freed.map((row) => row.node));
}

/** The events behind the scores; an execution is scored once. */
export async function writeReputation(tx: Tx, events: readonly { nodeId: string; executionId: string; delta: number; reason: string }[], now: Date): Promise<void> {
  if (events.length === 0) return;
  const rows = JSON.stringify(events.map((event) => ({ id: newId(), ...event })));
  await tx.$executeRaw`
    /* muster:reputation */ INSERT INTO "ReputationEvent" (id, "nodeId", delta, reason, "dedupeKey", "createdAt")
    SELECT w.id, w."nodeId", w.delta, w.reason, 'execution:' || w."executionId", ${now.toISOString()}::timestamptz
    FROM json_to_recordset(${rows}::json) AS w(id uuid, "nodeId" uuid, delta int, reason text, "executionId" text)`;
}

/** What a batch adds to the counters of a job. */
export interface JobChange {
  id: string;
  final: number;
  failed: number;
  paidMicro: bigint;
}

export async function countTasks(tx: Tx, jobs: readonly JobChange[]): Promise<void> {
  if (jobs.length === 0) return;
  const rows = JSON.stringify(jobs.map(({ paidMicro, ...job }) => ({ ...job, paid: paidMicro.toString() })));
  await tx.$executeRaw`
    /* muster:count-tasks */ UPDATE "Job" j SET "tasksFinal" = j."tasksFinal" + w.final, "tasksFailed" = j."tasksFailed" + w.failed, "paidMicro" = j."paidMicro" + w.paid
    FROM json_to_recordset(${rows}::json) AS w(id uuid, final int, failed int, paid bigint) WHERE j.id = w.id`;
}

/** One event per job and batch, with the tasks that were decided in it. */
export async function tellDecided(tx: Tx, jobs: readonly { jobId: string; tasks: { task_id: string; index: number; status: string; result_hash: string | null }[] }[]): Promise<void> {
  if (jobs.length === 0) return;
  const data: Prisma.OutboxEventCreateManyInput[] = jobs.map(({ jobId, tasks }) => ({ name: 'SubTaskCompletedEvent', aggregateId: jobId, payload: { job_id: jobId, tasks } }));
  await tx.outboxEvent.createMany({ data });
}
