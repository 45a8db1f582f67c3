import { Injectable } from '@nestjs/common';
import { fail, ok, type JobView, type Result } from '@muster/shared-types';
import { NodePush } from '../agents/node-push.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import { withTx } from '../platform/tx.js';
import { cancelExecutions, cancelTasks, type CancelledExecution } from './cancel.store.js';
import { refundAndRecompute } from './escrow.js';
import { isTerminal } from './job-status.rules.js';
import { jobView } from './job.view.js';
import { countsOf, jobOf, NO_COUNTS } from './jobs.store.js';
import { lockJobsAndMoney } from './lock.store.js';
import { SchedulerWake } from './schedule/wake.js';

interface Cancelled {
  view: JobView;
  executions: CancelledExecution[];
  /** Nodes on which rentals of the submitter now last longer. */
  nodes: string[];
}

const TX_MS = 60_000;

/** Ends a job by its submitter's wish: copies stop, nobody is scored, and what was not paid comes back at once. */
@Injectable()
export class CancelJob {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
    private readonly push: NodePush,
    private readonly wake: SchedulerWake,
  ) {}

  async run(userId: string, jobId: string): Promise<Result<JobView>> {
    const cancelled = await withTx(this.db, (tx) => this.#write(tx, userId, jobId), { timeoutMs: TX_MS });
    if (!cancelled.ok) return cancelled;
    const { view, executions, nodes } = cancelled.value;
    this.outbox.wake();
    this.wake.wake();
    tellCancelled(this.push, executions, 'the job was cancelled');
    await Promise.all(nodes.map((nodeId) => this.push.changed(nodeId)));
    return ok(view);
  }

  async #write(tx: Tx, userId: string, jobId: string): Promise<Result<Cancelled>> {
    await lockJobsAndMoney(tx, userId, [jobId]);
    const job = await jobOf(tx, userId, jobId);
    if (!job) return noSuchJob();
    if (isTerminal(job.status)) return fail('action_not_allowed', { detail: `The job is ${job.status} already` });
    const now = this.clock.now();
    const executions = await cancelExecutions(tx, [jobId], now);
    await cancelTasks(tx, [jobId], now);
    await tx.job.update({ where: { id: jobId }, data: { status: 'cancelled', completedAt: now, faultCode: 'cancelled', errorMessage: 'Cancelled by its submitter', waitingCode: null, waitingMessage: null } });
    const nodes = await refundAndRecompute(tx, userId, [jobId], now);
    await emitEvent(tx, { name: 'AuditEvent', aggregateId: jobId, actorId: userId, payload: { action: 'job.cancelled', executions: executions.length } });
    await emitEvent(tx, { name: 'TaskCompletedEvent', aggregateId: jobId, actorId: userId, payload: { job_id: jobId, status: 'cancelled' } });
    const after = await jobOf(tx, userId, jobId);
    if (!after) throw new Error('the job just cancelled is not there');
    const counts = (await countsOf(tx, [jobId])).get(jobId) ?? NO_COUNTS;
    return ok({ view: jobView(after, counts), executions, nodes });
  }
}

/** Tells each node which of its executions nobody needs any more. A lost message is made good when they are reported. */
export function tellCancelled(push: NodePush, executions: readonly CancelledExecution[], reason: string): void {
  const byNode = new Map<string, CancelTask[]>();
  for (const { nodeId, executionId, attempt } of executions) {
    const own = byNode.get(nodeId) ?? [];
    own.push({ execution_id: executionId, attempt, reason });
    byNode.set(nodeId, own);
  }
  for (const [nodeId, own] of byNode) for (let from = 0; from < own.length; from += PER_FRAME) push.cancelTasks(nodeId, own.slice(from, from + PER_FRAME));
}

type CancelTask = Parameters<NodePush['cancelTasks']>[1][number];
const PER_FRAME = 1_000;

export const noSuchJob = (): ReturnType<typeof fail> => fail('not_found', { detail: 'This account has no such job' });
