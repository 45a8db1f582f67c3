import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import type { MarketRows } from './market-rows.js';

/** One job of one task with three copies: one reported, one leased, one ready; its escrow, and an entry that is sealed. */
export interface JobRows {
  jobId: string;
  taskId: string;
  reportedId: string;
  leasedId: string;
  readyId: string;
  escrowId: string;
  entryId: string;
  gpuId: string;
}

export const HASH = 'a'.repeat(64);

export async function insertJobRows(client: pg.Client, market: MarketRows): Promise<JobRows> {
  const [jobId, taskId, reportedId, leasedId, readyId, escrowId, entryId, gpuId] = Array.from({ length: 8 }, () => randomUUID()) as [string, string, string, string, string, string, string, string];
  const rows = { jobId, taskId, reportedId, leasedId, readyId, escrowId, entryId, gpuId };
  for (const statement of statements(rows, market)) await client.query(statement);
  return rows;
}

function statements(r: JobRows, { userId, nodeId }: MarketRows): string[] {
  const other = randomUUID();
  return [
    `INSERT INTO "Job" (id, name, "dockerImage", command, environment, "distinctBy", spec, "submittedBy", "rateCapMicroHour", "heldMicro", "paidMicro", "tasksTotal")
       VALUES ('${r.jobId}', 'job', 'workspace', '[]', '{}', 'owner', '{}', '${userId}', 3600, 1000, 10, 1)`,
    `INSERT INTO "Task" (id, "jobId", index, copies) VALUES ('${r.taskId}', '${r.jobId}', 0, 3)`,
    `INSERT INTO "JobExecution" (id, "jobId", "taskId", copy) VALUES ('${r.readyId}', '${r.jobId}', '${r.taskId}', 2)`,
    `INSERT INTO "JobExecution" (id, "jobId", "taskId", copy, "nodeId", "ownerId", "distinctKey", status, verdict, "startedAt", "resultHash", "paidMicro") VALUES
       ('${r.reportedId}', '${r.jobId}', '${r.taskId}', 0, '${nodeId}', '${userId}', '${userId}', 'reported', 'valid', now(), '${HASH}', 10)`,
    `INSERT INTO "JobExecution" (id, "jobId", "taskId", copy, "nodeId", "ownerId", "distinctKey", status, "startedAt", "leaseUntil") VALUES
       ('${r.leasedId}', '${r.jobId}', '${r.taskId}', 1, '${nodeId}', '${other}', '${other}', 'leased', now(), now())`,
    `INSERT INTO "LedgerAccount" (id, kind, "jobId", floor) VALUES ('${r.escrowId}', 'escrow', '${r.jobId}', 0)`,
    `INSERT INTO "Gpu" (id, "nodeId", uuid, index, name, "gpuRamMb", "executionId") VALUES ('${r.gpuId}', '${nodeId}', 'GPU-9', 9, 'x', 1, '${r.leasedId}')`,
    `INSERT INTO "LedgerEntry" (id, "eventType", credits, seq, "prevHash", hash, signature) VALUES ('${r.entryId}', 'job_held', 1, 1, '${HASH}', '${HASH}', 's')`,
  ];
}
