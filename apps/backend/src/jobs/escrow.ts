import type { MicroUsd } from '@muster/shared-types';
import { writeEntries, type NewEntry } from '../audit/entries.js';
import { ensureAccountsOf, openEscrow, postEscrow, recomputeDeadlines } from '../ledger/for-jobs.js';
import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { groupBy } from './group.rules.js';
import { sumOf, type ExecutionPay, type PayTransfer } from './pay.rules.js';

/**
 * Money of a job: prepaid → escrow when it is submitted, escrow → earnings per valid execution, the rest back to prepaid.
 * The escrow account's floor is zero and `Job` says what was held, paid and refunded, so escrow = held − paid − refunded ≥ 0.
 */
export interface Hold {
  jobId: string;
  submitterId: string;
  amountMicro: MicroUsd;
  name: string;
}

/** Sets money aside. The job's row (with `heldMicro`) is written by the caller; the submitter is locked by `lockMoneyOf`. */
export async function holdForJob(tx: Tx, hold: Hold, now: Date): Promise<void> {
  await openEscrow(tx, newId(), hold.jobId);
  if (hold.amountMicro === 0n) return;
  await postEscrow(tx, 'job_hold', [{ id: newId(), jobId: hold.jobId, ownerId: hold.submitterId, amountMicro: hold.amountMicro, memo: hold.name }], now);
  await writeEntries(tx, [{ eventType: 'job_held', nodeId: null, jobId: hold.jobId, ownerId: hold.submitterId, amountMicro: hold.amountMicro, data: {} }], now);
}

/**
 * Moves the money of these transfers, with one entry per job and node. In the same transaction, with the jobs locked, the caller
 * has set verdict, `paidMicro` and `transferId` of the executions, and moved `Job.paidMicro` and `HostNode.creditsEarned` (micro-dollars).
 */
export async function postPays(tx: Tx, transfers: readonly PayTransfer[], now: Date): Promise<void> {
  if (transfers.length === 0) return;
  await ensureAccountsOf(tx, transfers.map((transfer) => transfer.ownerId), 'earnings');
  await postEscrow(tx, 'job_pay', transfers.map(({ id, pays, jobId, ownerId, amountMicro }) => ({ id, jobId, ownerId, amountMicro, memo: `${pays.length} executions` })), now);
  await writeEntries(tx, [...groupBy(transfers.flatMap((transfer) => transfer.pays), (pay) => `${pay.jobId} ${pay.nodeId}`).values()].map(paidEntry), now);
}

function paidEntry(group: readonly ExecutionPay[]): NewEntry {
  const { jobId, ownerId, nodeId, amountMicro } = sumOf(group);
  return { eventType: 'execution_paid', nodeId, jobId, ownerId, amountMicro, data: { executions: group.map((pay) => pay.executionId) } };
}

interface RefundRow {
  job: string;
  submitter: string;
  amount: bigint;
}

/**
 * Gives back what terminal jobs no longer need: all that is left, less the most that copies still leased can earn. Jobs
 * that are not terminal are left alone. Returns what was given back per job.
 * The submitters must be locked by `lockJobsAndMoney`; then call `recomputeDeadlines` for them (`Refunds` does all of that).
 */
export async function settleTerminal(tx: Tx, jobIds: readonly string[], now: Date): Promise<{ jobId: string; submitterId: string; amountMicro: MicroUsd }[]> {
  const due = await refundable(tx, jobIds);
  await postEscrow(tx, 'job_refund', due.map((row) => ({ id: newId(), jobId: row.job, ownerId: row.submitter, amountMicro: row.amount, memo: 'not used' })), now);
  const rows = JSON.stringify(due.map((row) => ({ job: row.job, amount: row.amount.toString() })));
  if (due.length > 0) {
    await tx.$executeRaw`
      UPDATE "Job" j SET "refundedMicro" = j."refundedMicro" + w.amount
      FROM json_to_recordset(${rows}::json) AS w(job uuid, amount bigint) WHERE j.id = w.job`;
  }
  await writeEntries(tx, due.map((row) => ({ eventType: 'job_refunded', nodeId: null, jobId: row.job, ownerId: row.submitter, amountMicro: row.amount, data: {} })), now);
  return due.map((row) => ({ jobId: row.job, submitterId: row.submitter, amountMicro: row.amount }));
}

/** Under the locks of the jobs no pay comes between what is read and what is given back. */
async function refundable(tx: Tx, jobIds: readonly string[]): Promise<RefundRow[]> {
  return await tx.$queryRaw<RefundRow[]>`
    WITH ended AS MATERIALIZED (
      SELECT id, "submittedBy", "timeoutS", "heldMicro" - "paidMicro" - "refundedMicro" AS rest FROM "Job"
      WHERE id = ANY(${[...jobIds]}::uuid[]) AND status IN ('completed', 'failed', 'cancelled') ORDER BY id FOR NO KEY UPDATE)
    SELECT * FROM (
      SELECT j.id AS job, j."submittedBy" AS submitter, (j.rest - coalesce((
        SELECT sum(div(e."rateMicroHour"::numeric * j."timeoutS", 3600)) FROM "JobExecution" e
        WHERE e."jobId" = j.id AND e.status IN ('leased', 'running') AND e."ownerId" <> j."submittedBy"), 0))::bigint AS amount
      FROM ended j) r
    WHERE amount > 0`;
}

/** Refunds of these people's jobs in one transaction of their own locks; returns the nodes whose deadlines moved. */
export async function refundAndRecompute(tx: Tx, submitterId: string, jobIds: readonly string[], now: Date): Promise<string[]> {
  const refunds = await settleTerminal(tx, jobIds, now);
  return refunds.length === 0 ? [] : await recomputeDeadlines(tx, submitterId, now);
}
