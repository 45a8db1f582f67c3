import { type ExecutionReport, JOB_LIMITS, reportLeaf, RESULTS_DOMAIN, resultsStatement, type TaskResults } from '@muster/shared-types';
import { signBatch } from '@muster/proof';
import type { Logger } from 'pino';
import type { NodeIdentity } from '../identity.js';
import type { Connection } from '../link/connection.js';
import type { Journal } from './journal.js';
import { keyOf } from './sandbox-spec.js';

export interface OutboxOptions {
  connection: () => Pick<Connection, 'send' | 'proven'> | null;
  journal: Journal;
  identity: NodeIdentity;
  nodeId: string;
  log: Logger;
  /** The market has the report: nothing of this execution is needed any more. */
  onAcked: (key: string) => void;
}

/** Half of what a message may have. */
const BATCH_BYTES = 4 * 2 ** 20;
const RETRY_MS = 2_000;
const COMES_LATER: ReadonlySet<string> = new Set(['not_proven', 'superseded']);

/**
 * Reports on their way to the market. One batch is under way at a time; what comes meanwhile is gathered for the next.
 * A batch is on disk before it is sent and sent again, unchanged and under its number, until it is answered.
 */
export class Outbox {
  private readonly waiting = new Map<string, ExecutionReport>();
  private readonly batches: TaskResults[];
  private seq: number;
  private sending = false;
  private retry: NodeJS.Timeout | null = null;

  private constructor(
    private readonly options: OutboxOptions,
    batches: TaskResults[],
    seq: number,
  ) {
    this.batches = batches;
    this.seq = seq;
  }

  static async open(options: OutboxOptions): Promise<Outbox> {
    const [batches, seq] = await Promise.all([options.journal.loadBatches(), options.journal.nextSeq()]);
    return new Outbox(options, batches, seq);
  }

  get isEmpty(): boolean {
    return this.waiting.size === 0 && this.batches.length === 0;
  }

  /** A report that is on disk. */
  add(report: ExecutionReport): void {
    const key = keyOf(report);
    if (!this.batches.some((batch) => batch.results.some((one) => keyOf(one) === key))) this.waiting.set(key, report);
    void this.flush();
  }

  /** Sends what there is, if the market listens. Never rejects. */
  async flush(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    try {
      while (this.options.connection()?.proven && !this.isEmpty) if (!(await this.sendFirst())) return this.later();
    } catch (error) {
      this.options.log.error({ err: error }, 'results could not be written to the disk; trying again');
      this.later();
    } finally {
      this.sending = false;
    }
  }

  private async sendFirst(): Promise<boolean> {
    const batch = this.batches[0] ?? (await this.makeBatch());
    if (!(await this.isTaken(batch))) return false;
    const { journal, onAcked } = this.options;
    await Promise.all(batch.results.map((report) => journal.forget(keyOf(report))));
    await journal.forgetBatch(batch.seq);
    this.batches.shift();
    for (const report of batch.results) onAcked(keyOf(report));
    return true;
  }

  private async makeBatch(): Promise<TaskResults> {
    const { identity, nodeId, journal } = this.options;
    const results = fittingBatch([...this.waiting.values()]);
    const seq = this.seq;
    const signed = signBatch({
      sign: (text) => identity.sign(text),
      domain: RESULTS_DOMAIN,
      leaves: results.map(reportLeaf),
      statement: (head) => resultsStatement({ v: 1, node_id: nodeId, seq, ...head }),
    });
    const batch: TaskResults = { v: 1, node_id: nodeId, seq, ...signed, results };
    await journal.saveBatch(batch);
    this.seq += 1;
    this.batches.push(batch);
    for (const report of results) this.waiting.delete(keyOf(report));
    return batch;
  }

  /** True when the market has it, or will never take it: then its executions run elsewhere when their leases end. */
  private async isTaken(batch: TaskResults): Promise<boolean> {
    const { connection, log } = this.options;
    try {
      const ack = await connection()?.send('task_results', batch);
      if (!ack) return false;
      if (!ack.ok && (ack.problem.retryable || COMES_LATER.has(ack.problem.code))) return false;
      if (!ack.ok) log.error({ code: ack.problem.code, detail: ack.problem.detail, seq: batch.seq }, 'the market refused results for good');
      else for (const one of ack.outcomes) if (one.outcome === 'refused') log.warn({ execution_id: one.execution_id, detail: one.detail }, 'the market refused a result');
      return true;
    } catch (error) {
      log.warn({ message: error instanceof Error ? error.message : String(error) }, 'results were not answered; trying again');
      return false;
    }
  }

  private later(): void {
    this.retry ??= setTimeout(() => {
      this.retry = null;
      void this.flush();
    }, RETRY_MS).unref();
  }
}

/** As many as may be in one message, and at least one. */
function fittingBatch(reports: readonly ExecutionReport[]): ExecutionReport[] {
  let bytes = 0;
  const fits = (report: ExecutionReport): boolean => (bytes += Buffer.byteLength(JSON.stringify(report))) <= BATCH_BYTES;
  const count = reports.slice(0, JOB_LIMITS.reportsPerBatch).findIndex((report, at) => !fits(report) && at > 0);
  return reports.slice(0, count === -1 ? JOB_LIMITS.reportsPerBatch : count);
}
