import { Injectable } from '@nestjs/common';
import type { JobFault } from '@muster/shared-types';
import { Clock } from '../../platform/clock.js';
import { Db } from '../../platform/db.js';
import { fitOf } from '../submit/fit.rules.js';
import type { JobFacts } from './job-book.js';
import type { NodeState } from './nodes.store.js';
import type { Left } from './schedule.rules.js';
import { waitingReason } from './waiting.rules.js';

/** A job is looked at again for its reason at most this often. */
const AGAIN_AFTER_MS = 2_000;
/** A lease or a report clears what was written: an unchanged reason is written again, at most this often. */
const RETELL_AFTER_MS = 5_000;
const REMEMBERED = 10_000;

export interface WaitingJob {
  job: JobFacts;
  left: Left | undefined;
}

/** Says on each job that gets nothing what it waits for and what to do, and writes only what changed. */
@Injectable()
export class WaitingReasons {
  readonly #told = new Map<string, { atMs: number; text: string; writtenMs: number }>();

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  async write(waiting: readonly WaitingJob[], states: ReadonlyMap<string, NodeState>): Promise<void> {
    const now = this.clock.now().getTime();
    const due = waiting.filter(({ job }) => now - (this.#told.get(job.id)?.atMs ?? -Infinity) >= AGAIN_AFTER_MS);
    if (due.length === 0) return;
    const nodes = [...states.values()];
    const reasons = due.map(({ job, left }) => ({ id: job.id, ...waitingReason(fitOf(nodes, job.need), job, left) }));
    const changed = reasons.filter((reason) => this.#isNew(reason, now));
    if (changed.length > 0) await this.#store(changed);
  }

  #isNew({ id, code, message }: JobFault & { id: string }, now: number): boolean {
    const text = `${code} ${message}`;
    const told = this.#told.get(id);
    const isNew = told?.text !== text || now - told.writtenMs >= RETELL_AFTER_MS;
    if (this.#told.size >= REMEMBERED) this.#told.clear();
    this.#told.set(id, { atMs: now, text, writtenMs: isNew ? now : (told?.writtenMs ?? now) });
    return isNew;
  }

  /** Full nodes are no news for a job of which something runs. */
  async #store(reasons: readonly (JobFault & { id: string })[]): Promise<void> {
    await this.db.client.$executeRaw`
      UPDATE "Job" j SET "waitingCode" = w.code, "waitingMessage" = w.message
      FROM json_to_recordset(${JSON.stringify(reasons)}::json) AS w(id uuid, code text, message text)
      WHERE j.id = w.id AND j.status NOT IN ('completed', 'failed', 'cancelled') AND (w.code <> 'all_busy' OR j.status = 'pending')
        AND (j."waitingCode", j."waitingMessage") IS DISTINCT FROM (w.code, w.message)
        AND j.id IN (SELECT id FROM "Job" WHERE id IN (SELECT (o->>'id')::uuid FROM json_array_elements(${JSON.stringify(reasons)}::json) o) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)`;
  }
}
