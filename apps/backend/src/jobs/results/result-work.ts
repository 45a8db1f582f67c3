import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '../../platform/clock.js';
import { Db, type Tx } from '../../platform/db.js';
import { Outbox } from '../../platform/outbox.js';
import { withTx } from '../../platform/tx.js';
import { finishJobs } from '../finish.js';
import { Refunds } from '../refunds.js';
import { SchedulerWake } from '../schedule/wake.js';
import { aggregatesDue, insertAggregateTask, lockDue, storeAggregate, storeAggregateFault, type AggregateDue } from './aggregate.store.js';
import { Archives } from './archives.js';
import { MakeAggregate, type Outcome } from './make-aggregate.js';

/** Jobs whose results are joined side by side. */
const AT_ONCE = 4;

/** Says to others that a job has ended, or has one more task. */
@Injectable()
export class AfterAggregate {
  constructor(
    private readonly refunds: Refunds,
    private readonly outbox: Outbox,
    private readonly scheduler: SchedulerWake,
  ) {}

  run(): void {
    this.refunds.wake();
    this.outbox.wake();
    this.scheduler.wake();
  }
}

/** One look at all results that something is to be done about. */
@Injectable()
export class ResultWork {
  readonly #log = new Logger('ResultWork');

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly archives: Archives,
    private readonly aggregate: MakeAggregate,
    private readonly after: AfterAggregate,
  ) {}

  /**
   * Archives first: an aggregator needs them. `only`: jobs that something was decided of; undefined looks at all. A job that
   * fails unexpectedly does not hold up the others.
   */
  async pass(signal: AbortSignal, only?: readonly string[]): Promise<void> {
    const archived = await this.archives.pass(signal);
    const open = await aggregatesDue(this.db.client, only && [...only, ...archived]);
    const worker = async (): Promise<void> => {
      for (let job = open.shift(); job && !signal.aborted; job = open.shift()) await this.#one(job);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
  }

  async #one(job: AggregateDue): Promise<void> {
    try {
      const outcome = await this.aggregate.run(job);
      if (outcome.kind === 'wait') return;
      await withTx(this.db, (tx) => this.#store(tx, job, outcome));
      this.after.run();
    } catch (error) {
      this.#log.error({ err: error, job_id: job.id }, 'an aggregate could not be made now; it is tried again');
    }
  }

  async #store(tx: Tx, job: AggregateDue, outcome: Exclude<Outcome, { kind: 'wait' }>): Promise<void> {
    const now = this.clock.now();
    // Cancelled meanwhile, or made by another replica that took over: then there is nothing to be done.
    if (!(await lockDue(tx, job.id))) return;
    if (outcome.kind === 'made') await storeAggregate(tx, job.id, outcome.made);
    else if (outcome.kind === 'failed') await storeAggregateFault(tx, job.id, outcome.message);
    else await insertAggregateTask(tx, job, outcome.part, now);
    await finishJobs(tx, [job.id], now);
  }
}
