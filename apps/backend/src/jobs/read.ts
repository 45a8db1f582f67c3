import { Injectable } from '@nestjs/common';
import { ok, type ExecutionView, type JobSummary, type JobView, type Result, type TaskView } from '@muster/shared-types';
import type { Page } from '../platform/cursor.js';
import { Db } from '../platform/db.js';
import { noSuchJob } from './cancel.js';
import { executionsPage } from './executions.store.js';
import { jobView, summaryOf } from './job.view.js';
import { countsOf, jobOf, jobsPage, NO_COUNTS, soleResult, type JobsQuery } from './jobs.store.js';
import { tasksPage, type TasksQuery } from './tasks.store.js';

/** Reads jobs for their submitter. A job of another account is not told apart from one that does not exist. */
@Injectable()
export class ReadJobs {
  constructor(private readonly db: Db) {}

  async one(userId: string, jobId: string): Promise<Result<JobView>> {
    const job = await jobOf(this.db.client, userId, jobId);
    if (!job) return noSuchJob();
    const counts = (await countsOf(this.db.client, [jobId])).get(jobId) ?? NO_COUNTS;
    const long = job.result === null && job.resultHash !== null && job.resultKey === null;
    return ok(jobView(job, { ...counts, bytes: long ? await soleResult(this.db.client, jobId) : null }));
  }

  async page(userId: string, query: JobsQuery): Promise<Page<JobSummary>> {
    const page = await jobsPage(this.db.client, userId, query);
    const counts = await countsOf(this.db.client, page.items.map((job) => job.id));
    return { items: page.items.map((job) => summaryOf(job, counts.get(job.id) ?? NO_COUNTS)), next: page.next };
  }

  async executions(userId: string, jobId: string, query: { cursor?: string | undefined; limit: number; task?: number | undefined }): Promise<Result<Page<ExecutionView>>> {
    return (await this.#isMine(userId, jobId)) ? ok(await executionsPage(this.db.client, jobId, query)) : noSuchJob();
  }

  async tasks(userId: string, jobId: string, query: TasksQuery): Promise<Result<Page<TaskView>>> {
    return (await this.#isMine(userId, jobId)) ? ok(await tasksPage(this.db.client, jobId, query)) : noSuchJob();
  }

  async #isMine(userId: string, jobId: string): Promise<boolean> {
    return (await this.db.client.job.count({ where: { id: jobId, submittedBy: userId } })) === 1;
  }
}
