import { Injectable } from '@nestjs/common';
import { formatUsd, ok, ProblemError, type JobSubmission, type JobView, type Result } from '@muster/shared-types';
import { recomputeDeadlines } from '../../ledger/for-jobs.js';
import { Clock } from '../../platform/clock.js';
import { Db, type Tx } from '../../platform/db.js';
import { newId } from '../../platform/ids.js';
import { emitEvent } from '../../platform/outbox.js';
import type { SaveAnswer } from '../../platform/request-state.js';
import { withTx } from '../../platform/tx.js';
import { holdForJob } from '../escrow.js';
import { jobView } from '../job.view.js';
import { NO_COUNTS } from '../jobs.store.js';
import { affords, lockedMeans, meansOf } from './affords.js';
import { AfterSubmit } from './after-submit.js';
import { InputFiles } from './input-files.js';
import { PlanJob, type PlannedJob } from './plan.js';
import { insertJob, insertTasks } from './submit.store.js';

export interface SubmitCall {
  userId: string;
  body: JobSubmission;
  saveAnswer: SaveAnswer;
}

/** A hundred thousand tasks are a few seconds of inserts. */
const TX_MS = 60_000;

/** Takes a job in: its row, its tasks, their first copies and the money that is set aside, in one transaction or not at all. */
@Injectable()
export class SubmitJob {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly plan: PlanJob,
    private readonly files: InputFiles,
    private readonly after: AfterSubmit,
  ) {}

  async run(call: SubmitCall): Promise<Result<JobView>> {
    const planned = await this.plan.run(call.userId, call.body);
    if (!planned.ok) return planned;
    if (!this.files.anyToStore(planned.value.draft, planned.value.tasks)) return await this.#inOneTransaction(call, planned.value);
    // Nothing is stored for somebody who cannot pay.
    const affordable = affords(await meansOf(this.db.client, call.userId, this.clock.now()), planned.value.price.holdMicro);
    if (!affordable.ok) return affordable;
    const tasks = await this.files.place(call.userId, planned.value.draft, planned.value.tasks);
    const draft = await this.files.lighten(call.userId, planned.value.draft);
    return await this.#inOneTransaction(call, { ...planned.value, draft, tasks });
  }

  /** A refusal after the first write is thrown, so that everything is rolled back, and becomes a value again here. */
  async #inOneTransaction(call: SubmitCall, planned: PlannedJob): Promise<Result<JobView>> {
    try {
      const { view, nodes } = await withTx(this.db, (tx) => this.#write(tx, call, planned), { timeoutMs: TX_MS });
      await this.after.run(nodes);
      return ok(view);
    } catch (error) {
      if (error instanceof ProblemError) return { ok: false, problem: error.problem };
      throw error;
    }
  }

  async #write(tx: Tx, { userId, saveAnswer }: SubmitCall, planned: PlannedJob): Promise<{ view: JobView; nodes: string[] }> {
    const now = this.clock.now();
    const job = { id: newId(), submittedBy: userId, now };
    const means = await lockedMeans(tx, userId, now);
    const affordable = affords(means, planned.price.holdMicro);
    if (!affordable.ok) throw new ProblemError(affordable.problem);
    const row = await insertJob(tx, job, planned);
    await insertTasks(tx, job, planned.tasks, planned.draft.redundancy);
    await holdForJob(tx, { jobId: job.id, submitterId: userId, amountMicro: planned.price.holdMicro, name: planned.draft.name }, now);
    const nodes = means.rents ? await recomputeDeadlines(tx, userId, now) : [];
    await emitEvent(tx, { name: 'TaskCreatedEvent', aggregateId: job.id, actorId: userId, payload: { job_id: job.id, tasks: planned.tasks.length, held_usd: formatUsd(planned.price.holdMicro) } });
    const view = jobView(row, { ...NO_COUNTS, extraWarnings: planned.warnings });
    await saveAnswer(tx, view);
    return { view, nodes };
  }
}
