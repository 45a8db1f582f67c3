import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { NodePush } from '../../agents/node-push.js';
import { Clock } from '../../platform/clock.js';
import type { Tx } from '../../platform/db.js';
import { Outbox } from '../../platform/outbox.js';
import { withTx } from '../../platform/tx.js';
import { cancelExecutions, cancelTasks, type CancelledExecution } from '../cancel.store.js';
import { tellCancelled } from '../cancel.js';
import { postPays } from '../escrow.js';
import { finishJobs } from '../finish.js';
import { groupBy } from '../group.rules.js';
import { Refunds } from '../refunds.js';
import { Aggregates } from '../results/aggregate.js';
import { JobBook } from '../schedule/job-book.js';
import { NodeBook } from '../schedule/node-book.js';
import { NodeForm } from '../schedule/node-form.js';
import { SchedulerWake } from '../schedule/wake.js';
import { HotDb } from '../hot-db.js';
import { effectsOf, type Effects, type Item } from './effects.rules.js';
import type { Outcome, RunLoss, RunReport } from './report.rules.js';
import { keepBatches, lockJobsOf, runsOf, type BatchHead } from './tally-read.store.js';
import { TallyMetrics } from './tally-metrics.js';
import { addRuns, countTasks, dropReady, freeDevices, tellDecided, writeEnded, writeNodes, writeReputation, writeTasks, writeVerdicts } from './tally-write.store.js';

export type ItemOutcome = { outcome: Outcome; detail?: string };

/** What one node handed in at once; `head` when it signed it. */
export interface ReportBatch {
  head: BatchHead | null;
  items: Item[];
}

interface Waiting {
  batch: ReportBatch;
  resolve: (outcomes: ItemOutcome[]) => void;
  reject: (error: unknown) => void;
}

/** Executions in one transaction. More wait for the next one, which then has more. */
const ITEMS_AT_ONCE = 3_000;
const TX_MS = 30_000;

/**
 * The one place where runs end: reports, lost leases, refusals. Whatever comes in within a few milliseconds is applied in one
 * transaction, set by set; while one is under way the next one gathers, so the more comes in, the less each costs.
 *
 * Invariants: a run ends once (its row, under the lock of its job); a task is decided by all its rows as they are then;
 * verdict, pay, reputation and what the node has free again are one transaction with it, or none of it happened.
 */
@Injectable()
export class Tally implements BeforeApplicationShutdown {
  readonly #log = new Logger('Tally');
  #waiting: Waiting[] = [];
  #running: Promise<void> | undefined;

  constructor(
    private readonly db: HotDb,
    private readonly clock: Clock,
    private readonly jobs: JobBook,
    private readonly nodes: NodeBook,
    private readonly form: NodeForm,
    private readonly wake: SchedulerWake,
    private readonly refunds: Refunds,
    private readonly outbox: Outbox,
    private readonly push: NodePush,
    private readonly metrics: TallyMetrics,
    private readonly aggregates: Aggregates,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    await this.#running;
    this.form.save();
  }

  /** Resolves when everything in it is durable. Rejects when it is not; the same again is then right. */
  report(reports: readonly (RunReport & { refused: string | null })[], head: BatchHead | null): Promise<ItemOutcome[]> {
    return this.#enter({ head, items: reports.map((report) => ({ kind: 'report', report })) });
  }

  /** Takes runs from their nodes; their copies go elsewhere. */
  lose(losses: readonly RunLoss[]): Promise<ItemOutcome[]> {
    return this.#enter({ head: null, items: losses.map((loss) => ({ kind: 'loss', loss })) });
  }

  #enter(batch: ReportBatch): Promise<ItemOutcome[]> {
    if (batch.items.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject });
      this.#running ??= this.#loop().finally(() => (this.#running = undefined));
    });
  }

  /** What came in during one turn of the event loop goes together. */
  async #loop(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) await this.#apply(this.#next());
  }

  #next(): Waiting[] {
    let items = 0;
    const end = this.#waiting.findIndex(({ batch }) => (items += batch.items.length) > ITEMS_AT_ONCE);
    const count = end < 0 ? this.#waiting.length : Math.max(1, end);
    return this.#waiting.splice(0, count);
  }

  async #apply(waiting: readonly Waiting[]): Promise<void> {
    try {
      const outcomes = await this.#run(waiting.map((one) => one.batch));
      waiting.forEach(({ resolve }, i) => resolve(outcomes[i] ?? []));
    } catch (error) {
      if (waiting.length === 1) return waiting[0]?.reject(error);
      // One bad batch must not take the others with it.
      this.#log.warn(`a transaction of ${waiting.length} batches failed; each is tried alone: ${error instanceof Error ? error.message : String(error)}`);
      for (const one of waiting) await this.#apply([one]);
    }
  }

  async #run(batches: readonly ReportBatch[]): Promise<ItemOutcome[][]> {
    const now = this.clock.now();
    const { outcomes, effects, cancelled, ended } = await withTx(this.db, (tx) => this.#write(tx, batches, now), { timeoutMs: TX_MS });
    if (effects) this.#after(effects, cancelled, ended);
    return outcomes;
  }

  async #write(tx: Tx, batches: readonly ReportBatch[], now: Date): Promise<Written> {
    const reused = new Set((await keepBatches(tx, batches.flatMap((batch) => batch.head ?? []), now)).map(({ nodeId, seq }) => `${nodeId} ${seq}`));
    const taken = batches.map((batch) => (batch.head && reused.has(`${batch.head.nodeId} ${batch.head.seq}`) ? [] : batch.items));
    const items = taken.flat();
    const ids = [...new Set(items.map((item) => (item.kind === 'report' ? item.report.executionId : item.loss.executionId)))];
    if (ids.length === 0) return { outcomes: batches.map(refuseAll), effects: null, cancelled: [], ended: 0 };
    const jobIds = await lockJobsOf(tx, ids);
    const [rows, jobs] = [await runsOf(tx, ids), await this.jobs.of(jobIds)];
    const effects = effectsOf(items, rows, jobs, now);
    const { cancelled, ended } = await store(tx, effects, jobsOfEnded(effects, rows), now);
    let at = 0;
    const outcomes = batches.map((batch, i) => (taken[i]?.length === batch.items.length ? effects.outcomes.slice(at, (at += batch.items.length)) : refuseAll(batch)));
    return { outcomes, effects, cancelled, ended };
  }

  #after(effects: Effects, cancelled: readonly CancelledExecution[], ended: number): void {
    const now = this.clock.now();
    for (const nodeId of effects.nodeErrors) this.form.failed(nodeId, now);
    for (const { nodeId, relative } of effects.validRuns) this.form.valid(nodeId, relative);
    this.form.save();
    this.metrics.count(effects);
    this.nodes.stale([...effects.nodes.map((node) => node.id), ...cancelled.map((one) => one.nodeId)]);
    if (effects.ended.length > 0) this.wake.wake();
    if (ended > 0 || effects.decided.length > 0) this.outbox.wake();
    if (effects.ended.length > 0) this.refunds.wake();
    this.aggregates.afterTasksFinal([...new Set(effects.decided.map((task) => task.jobId))]);
    tellCancelled(this.push, cancelled, 'the job has failed');
  }
}

interface Written {
  outcomes: ItemOutcome[][];
  effects: Effects | null;
  cancelled: CancelledExecution[];
  /** Jobs that became terminal. */
  ended: number;
}

/** The number of this batch was used for another one. */
const refuseAll = (batch: ReportBatch): ItemOutcome[] => batch.items.map(() => ({ outcome: 'refused', detail: 'This batch number was used for other results' }));

function jobsOfEnded(effects: Effects, rows: readonly { id: string; job: string }[]): string[] {
  const jobOf = new Map(rows.map((row) => [row.id, row.job]));
  return [...new Set(effects.ended.flatMap((run) => jobOf.get(run.id) ?? []))];
}

/** Jobs are locked; then come executions and tasks, nodes by id, and accounts last. Passes of the scheduler wait for the same nodes: they are held for as little as possible. */
async function store(tx: Tx, effects: Effects, jobIds: readonly string[], now: Date): Promise<{ cancelled: CancelledExecution[]; ended: number }> {
  if (effects.ended.length === 0) return { cancelled: [], ended: 0 };
  await writeEnded(tx, effects.ended, now);
  await writeVerdicts(tx, effects.verdicts);
  await writeTasks(tx, effects.tasks, now);
  await dropReady(tx, effects.dropped, now);
  await addRuns(tx, effects.added, now);
  await writeReputation(tx, effects.reputation, now);
  await countTasks(tx, effects.jobs);
  await tellDecided(tx, decidedByJob(effects));
  const { ended } = await finishJobs(tx, jobIds, now);
  const failed = ended.filter((job) => job.status === 'failed').map((job) => job.jobId);
  const cancelled = await cancelExecutions(tx, failed, now);
  if (failed.length > 0) await cancelTasks(tx, failed, now);
  await writeNodes(tx, effects.nodes);
  await freeDevices(tx, effects.devices);
  await postPays(tx, effects.pays, now);
  return { cancelled, ended: ended.length };
}

function decidedByJob(effects: Effects): Parameters<typeof tellDecided>[1] {
  return [...groupBy(effects.decided, (task) => task.jobId)].map(([jobId, tasks]) => ({
    jobId, tasks: tasks.map((task) => ({ task_id: task.taskId, index: task.index, status: task.status, result_hash: task.resultHash })),
  }));
}
