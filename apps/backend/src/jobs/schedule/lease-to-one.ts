import { Injectable } from '@nestjs/common';
import { HTTP_WORKER_LEASE_S } from '@muster/shared-types';
import { Clock } from '../../platform/clock.js';
import { Outbox } from '../../platform/outbox.js';
import { groupBy } from '../group.rules.js';
import { HotDb } from '../hot-db.js';
import { JobBook } from './job-book.js';
import { leaseAll, markScheduled, type LeasedRow } from './lease.store.js';
import { NodeBook } from './node-book.js';
import { jobsWaiting, readyCopies } from './ready.store.js';
import { plan, type Turn } from './schedule.rules.js';
import { toCopy } from './scheduler.js';

const JOBS_LOOKED_AT = 200;

/** Leases to one node that asks, by the same rules as a pass. */
@Injectable()
export class LeaseToOne {
  constructor(
    private readonly db: HotDb,
    private readonly clock: Clock,
    private readonly jobs: JobBook,
    private readonly book: NodeBook,
    private readonly outbox: Outbox,
  ) {}

  async run(nodeId: string, limit: number): Promise<LeasedRow[]> {
    this.book.changed([nodeId]);
    const [ids] = await Promise.all([jobsWaiting(this.db.client, JOBS_LOOKED_AT), this.book.refresh(false)]);
    const turns = await this.#turns(ids, nodeId, limit);
    const { assignments } = plan(turns, Math.random);
    const jobs = await this.jobs.of(assignments.map((one) => one.jobId));
    const wishes = assignments.slice(0, limit).flatMap((one) => {
      const job = jobs.get(one.jobId);
      return job ? [{ ...one, need: job.need, leaseS: HTTP_WORKER_LEASE_S }] : [];
    });
    this.book.stale([nodeId]);
    if (wishes.length === 0) return [];
    const leased = await leaseAll(this.db.client, wishes, this.clock.now());
    if (leased.length > 0) await markScheduled(this.db.client, [...new Set(leased.map((row) => row.job))], this.clock.now());
    this.outbox.wake();
    return leased;
  }

  async #turns(ids: readonly string[], nodeId: string, limit: number): Promise<Turn[]> {
    const jobs = await this.jobs.of(ids);
    const open = ids.flatMap((id) => jobs.get(id) ?? []).flatMap((job) => {
      const pool = this.book.poolOfOne(job, nodeId);
      return pool.empty ? [] : [{ job, pool }];
    });
    if (open.length === 0) return [];
    // Copies of tasks that this owner has already are passed by, so more are looked at than are wanted.
    const rows = await readyCopies(this.db.client, open.map(({ job }) => ({ jobId: job.id, after: null, limit: limit * 20 })));
    const byJob = groupBy(rows, (row) => row.job);
    return open.map(({ job, pool }) => ({ jobId: job.id, distinctBy: job.distinctBy, pool, copies: (byJob.get(job.id) ?? []).map(toCopy) }));
  }
}
