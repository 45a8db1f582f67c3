import { HASH, type JobRows } from './job-rows.js';
import { PAYMENTS_IN, type MarketRows } from './market-rows.js';

/** For each guard of guards-jobs.sql one statement that it must refuse. */
type JobViolations = Readonly<Record<string, (rows: JobRows & MarketRows) => string>>;

const id = 'gen_random_uuid()';

export const jobConstraintViolations: JobViolations = {
  account_escrow_of_job: () => `INSERT INTO "LedgerAccount" (id, kind, floor) VALUES (${id}, 'escrow', 0)`,
  job_k_of_n: (r) => job(r, 'consensus = 4'),
  job_money_within_hold: (r) => job(r, '"refundedMicro" = 991'),
  job_terminal_has_end: (r) => job(r, `status = 'completed'`),
  task_final_has_result: (r) => `UPDATE "Task" SET status = 'final', "decidedAt" = now(), "resultHash" = '${HASH}' WHERE id = '${r.taskId}'`,
  execution_leased_has_node: (r) => execution(r.leasedId, '"distinctKey" = NULL'),
  execution_live_has_lease: (r) => execution(r.leasedId, '"leaseUntil" = NULL'),
  execution_report_has_hash: (r) => execution(r.leasedId, `status = 'reported', "resultHash" = 'ABC'`),
  execution_paid_is_valid: (r) => execution(r.leasedId, `status = 'reported', "resultHash" = '${HASH}', verdict = 'invalid', "paidMicro" = 1`),
  execution_verdict_of_report: (r) => execution(r.leasedId, `verdict = 'valid'`),
  gpu_one_holder: (r) => `UPDATE "Gpu" SET "rentalId" = '${r.rentalId}' WHERE id = '${r.gpuId}'`,
  ledger_entry_sealed_whole: () => `INSERT INTO "LedgerEntry" (id, "eventType", credits, seq, "prevHash", hash) VALUES (${id}, 'job_held', 1, 2, '${HASH}', '${HASH}')`,
  account_floor_kept: (r) => `INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind) VALUES (${id}, '${r.escrowId}', '${PAYMENTS_IN}', 1, 'test')`,
};

export const jobUniqueViolations: JobViolations = {
  account_one_per_kind_of_market: () => `INSERT INTO "LedgerAccount" (id, kind) VALUES (${id}, 'payments_in')`,
  LedgerAccount_jobId_key: (r) => `INSERT INTO "LedgerAccount" (id, kind, "jobId", floor) VALUES (${id}, 'escrow', '${r.jobId}', 0)`,
  execution_one_per_distinct: (r) => execution(r.leasedId, `"distinctKey" = '${r.userId}'`),
  JobExecution_taskId_purpose_copy_attempt_key: (r) => `INSERT INTO "JobExecution" (id, "jobId", "taskId", copy) VALUES (${id}, '${r.jobId}', '${r.taskId}', 2)`,
  Task_jobId_index_key: (r) => `INSERT INTO "Task" (id, "jobId", index, copies) VALUES (${id}, '${r.jobId}', 0, 3)`,
  LedgerEntry_seq_key: () => `INSERT INTO "LedgerEntry" (id, "eventType", credits, seq, "prevHash", hash, signature) VALUES (${id}, 'job_held', 1, 1, '${HASH}', '${HASH}', 's')`,
  ResultBatch_pkey: (r) => `INSERT INTO "ResultBatch" ("nodeId", seq, root, count, signature) SELECT '${r.nodeId}', 1, '${HASH}', 1, 's' FROM generate_series(1, 2)`,
};

export const jobTriggerViolations: JobViolations = {
  ledger_entry_sealed_once: (r) => `UPDATE "LedgerEntry" SET signature = 'other' WHERE id = '${r.entryId}'`,
  ledger_entry_kept: () => `DELETE FROM "LedgerEntry"`,
  ledger_entry_not_truncated: () => `TRUNCATE "LedgerEntry"`,
  execution_kept: (r) => `DELETE FROM "JobExecution" WHERE id = '${r.readyId}'`,
  task_kept: (r) => `DELETE FROM "Task" WHERE id = '${r.taskId}'`,
  task_decided_once: (r) => `${finalTask(r)}; UPDATE "Task" SET "resultHash" = '${'b'.repeat(64)}' WHERE id = '${r.taskId}'`,
  execution_ended_once: (r) => execution(r.reportedId, `"resultHash" = '${'b'.repeat(64)}'`),
  execution_judged_once: (r) => execution(r.reportedId, `verdict = 'late_valid'`),
  execution_paid_once: (r) => `${execution(r.reportedId, '"transferId" = gen_random_uuid()')}; ${execution(r.reportedId, '"paidMicro" = 11')}`,
  job_kept: (r) => `DELETE FROM "Job" WHERE id = '${r.jobId}'`,
};

const finalTask = (r: JobRows): string =>
  `UPDATE "Task" SET status = 'final', "resultHash" = '${HASH}', "canonicalId" = '${r.reportedId}', "decidedAt" = now() WHERE id = '${r.taskId}'`;

function job(rows: JobRows, change: string): string {
  return `UPDATE "Job" SET ${change} WHERE id = '${rows.jobId}'`;
}

function execution(executionId: string, change: string): string {
  return `UPDATE "JobExecution" SET ${change} WHERE id = '${executionId}'`;
}
