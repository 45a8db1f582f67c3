import { refreshStatus } from '../fleet/for-jobs.js';
import type { Tx } from '../platform/db.js';

export interface CancelledExecution {
  jobId: string;
  executionId: string;
  attempt: number;
  nodeId: string;
}

/**
 * Ends every copy of these jobs that is not reported: it becomes `unneeded`, and its node has its share and devices back.
 * Returns those that a node works on: tell them with `cancel_tasks` after the commit. Nodes are locked by id before copies.
 */
export async function cancelExecutions(tx: Tx, jobIds: readonly string[], now: Date): Promise<CancelledExecution[]> {
  if (jobIds.length === 0) return [];
  await tx.$executeRaw`
    SELECT 1 FROM "HostNode" WHERE id IN (SELECT "nodeId" FROM "JobExecution" WHERE "jobId" = ANY(${[...jobIds]}::uuid[]) AND status IN ('leased', 'running'))
    ORDER BY id FOR NO KEY UPDATE`;
  const cancelled = await tx.$queryRaw<CancelledExecution[]>`
    WITH due AS MATERIALIZED (
      SELECT e.id, e.attempt, e."jobId" AS job, e.status IN ('leased', 'running') AS live, e."nodeId" AS node FROM "JobExecution" e
      WHERE e."jobId" = ANY(${[...jobIds]}::uuid[]) AND e.status IN ('ready', 'leased', 'running') FOR NO KEY UPDATE
    ), ended AS (
      UPDATE "JobExecution" e SET status = 'unneeded', "completedAt" = ${now.toISOString()}::timestamptz FROM due d WHERE e.id = d.id
    ), released AS (
      UPDATE "HostNode" n SET "cpuUsed" = n."cpuUsed" - s.cpu, "ramMbUsed" = n."ramMbUsed" - s.ram, "diskGbUsed" = n."diskGbUsed" - s.disk
      FROM (SELECT d.node, sum(j."requiredCpu")::int AS cpu, sum(j."memoryMb")::int AS ram, sum(j."diskGb")::int AS disk
            FROM due d JOIN "Job" j ON j.id = d.job WHERE d.live GROUP BY d.node) s WHERE n.id = s.node
    ), devices AS (
      UPDATE "Gpu" g SET "executionId" = NULL FROM due d WHERE d.live AND g."executionId" = d.id
    )
    SELECT job AS "jobId", id AS "executionId", attempt, node AS "nodeId" FROM due WHERE live`;
  await refreshStatus(tx, cancelled.map((one) => one.nodeId));
  return cancelled;
}

/** Closes the tasks of cancelled jobs that are not decided. */
export async function cancelTasks(tx: Tx, jobIds: readonly string[], now: Date): Promise<void> {
  await tx.$executeRaw`
    UPDATE "Task" SET status = 'cancelled', "decidedAt" = ${now.toISOString()}::timestamptz
    WHERE "jobId" = ANY(${[...jobIds]}::uuid[]) AND status IN ('open', 'quorum_pending', 'disputed')`;
}
