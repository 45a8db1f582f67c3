import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { EXECUTION_LEASE_S, SCHEDULER_PASS_MS } from '@muster/shared-types';
import { Config } from '../../config.js';
import { Clock } from '../../platform/clock.js';
import { Outbox } from '../../platform/outbox.js';
import { groupBy } from '../group.rules.js';
import { HotDb } from '../hot-db.js';
import { DispatchTasks } from './dispatch.js';
import { JobBook, type JobFacts } from './job-book.js';
import { leaseAll, markScheduled, refreshHolders, type LeasedRow } from './lease.store.js';
import { NodeBook } from './node-book.js';
import { NodeForm } from './node-form.js';
import { jobsWaiting, liveCounts, noteServed, readyCopies, type ReadyRow } from './ready.store.js';
import { plan, type Assignment, type Left, type Plan, type Turn, type WaitingCopy } from './schedule.rules.js';
import { SchedulerWake } from './wake.js';
import { WaitingReasons } from './waiting.js';

/** Jobs that get a turn in one pass, and copies that are looked at in it. */
const JOBS_PER_PASS = 64;
const COPIES_PER_PASS = 2_000;
const RETRY_MS = 500;

const pageOf = (jobs: number): number => Math.ceil(COPIES_PER_PASS / jobs);
export const toCopy = (row: ReadyRow): WaitingCopy => ({ id: row.id, taskId: row.task, pinnedNodeId: row.pinned, heldKeys: row.held ?? [], soured: row.soured ?? [] });

/**
 * Leases waiting copies to nodes. One pass at a time per replica; passes of replicas side by side take different rows
 * (SKIP LOCKED) and are held within each node by its row. Woken by what happens, and every five seconds whatever happens.
 */
@Injectable()
export class Scheduler implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #log = new Logger('Scheduler');
  /** Where the next page of a job's waiting copies begins, so that copies nobody can take hide no others. */
  readonly #places = new Map<string, string>();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #again = false;
  #whole = true;
  #stopped = false;

  constructor(
    private readonly config: Config,
    private readonly db: HotDb,
    private readonly clock: Clock,
    private readonly book: NodeBook,
    private readonly jobs: JobBook,
    private readonly form: NodeForm,
    private readonly dispatch: DispatchTasks,
    private readonly reasons: WaitingReasons,
    private readonly outbox: Outbox,
    private readonly wakeUp: SchedulerWake,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (!this.config.has('scheduler')) return;
    await this.form.load();
    this.wakeUp.onWake(() => this.wake());
    this.wakeUp.onNodeChanged((nodeId) => this.book.changed([nodeId]));
    this.#timer = setInterval(() => {
      this.#whole = true;
      this.wake();
    }, SCHEDULER_PASS_MS);
    this.#timer.unref();
    this.wake();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#running;
  }

  /** Several calls: one pass; one that comes during a pass: another pass after it. */
  wake(): void {
    this.#again = true;
    this.#running ??= this.#loop().finally(() => (this.#running = undefined));
  }

  async #loop(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      const whole = this.#whole;
      this.#whole = false;
      try {
        if ((await this.pass(whole)) > 0) this.#again = true;
      } catch (error) {
        return this.#retryLater(error);
      }
    }
  }

  #retryLater(error: unknown): void {
    this.#log.warn(`a pass of the scheduler failed; it looks again: ${error instanceof Error ? error.message : String(error)}`);
    if (!this.#stopped) setTimeout(() => this.#stopped || this.wake(), RETRY_MS).unref();
  }

  /** One pass; returns how many copies were leased. `whole`: with a look at what is free everywhere. */
  async pass(whole = true): Promise<number> {
    const ids = await jobsWaiting(this.db.client, JOBS_PER_PASS);
    if (ids.length === 0) return 0;
    await this.#look(whole);
    const jobs = await this.jobs.of(ids);
    const turns = await this.#turns(ids, jobs);
    const planned = plan(turns, Math.random);
    this.#turnPages(turns, planned.left);
    const leased = await this.#lease(planned.assignments, jobs);
    if (ids.length === JOBS_PER_PASS) await noteServed(this.db.client, ids, this.clock.now());
    await this.#explain(ids, jobs, planned);
    return leased.length;
  }

  /** Behind a full page of copies that only wait for other owners there may be some that can go: they are looked at next. */
  #turnPages(turns: readonly Turn[], left: ReadonlyMap<string, Left>): void {
    const limit = pageOf(turns.length);
    for (const { jobId, copies } of turns) {
      const last = copies.at(-1);
      const stuck = last !== undefined && copies.length === limit && (left.get(jobId)?.blockedByKeys ?? 0) > 0;
      if (stuck) this.#places.set(jobId, last.id);
      else this.#places.delete(jobId);
      this.#again ||= stuck;
    }
  }

  async #look(all: boolean): Promise<void> {
    const limited = this.form.limited();
    if (limited.length > 0) {
      this.form.setLive(await liveCounts(this.db.client, limited));
      this.book.stale(limited);
    }
    await this.book.refresh(all);
  }

  /** A job whose nodes are all full has no turn: its rows need not be read. */
  async #turns(ids: readonly string[], jobs: ReadonlyMap<string, JobFacts>): Promise<Turn[]> {
    const open = ids.flatMap((id) => jobs.get(id) ?? []).filter((job) => !this.book.poolOf(job).empty);
    if (open.length === 0) return [];
    const limit = pageOf(open.length);
    const rows = await readyCopies(this.db.client, open.map((job) => ({ jobId: job.id, after: this.#places.get(job.id) ?? null, limit })));
    const byJob = groupBy(rows, (row) => row.job);
    return open.map((job) => ({ jobId: job.id, distinctBy: job.distinctBy, pool: this.book.poolOf(job), copies: (byJob.get(job.id) ?? []).map(toCopy) }));
  }

  async #lease(assignments: readonly Assignment[], jobs: ReadonlyMap<string, JobFacts>): Promise<LeasedRow[]> {
    const wishes = assignments.flatMap((one) => {
      const job = jobs.get(one.jobId);
      return job ? [{ ...one, need: job.need, leaseS: EXECUTION_LEASE_S }] : [];
    });
    if (wishes.length === 0) return [];
    try {
      const leased = await leaseAll(this.db.client, wishes, this.clock.now());
      if (leased.length < wishes.length) this.book.stale(wishes.map((wish) => wish.nodeId));
      await this.#tell(leased);
      await refreshHolders(this.db.client, wishes);
      return leased;
    } catch (error) {
      this.book.stale(wishes.map((wish) => wish.nodeId));
      throw error;
    }
  }

  async #tell(leased: readonly LeasedRow[]): Promise<void> {
    if (leased.length === 0) return;
    await this.dispatch.send(leased);
    this.outbox.wake();
    await markScheduled(this.db.client, [...new Set(leased.map((row) => row.job))], this.clock.now());
  }

  /** Of the jobs that got nothing in this pass. */
  async #explain(ids: readonly string[], jobs: ReadonlyMap<string, JobFacts>, { assignments, left }: Plan): Promise<void> {
    const served = new Set(assignments.map((one) => one.jobId));
    const waiting = ids.flatMap((id) => {
      const job = jobs.get(id);
      return job && !served.has(id) ? [{ job, left: left.get(id) }] : [];
    });
    await this.reasons.write(waiting, this.book.states());
  }
}
