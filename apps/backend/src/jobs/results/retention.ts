import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../../config.js';
import { Clock } from '../../platform/clock.js';
import { Db } from '../../platform/db.js';
import { Singletons } from '../../platform/leases.js';
import { Storage } from '../../storage/storage.port.js';
import { aggregateKey, resultsFolder, uploadKey } from './keys.rules.js';
import { daysBefore } from './retention.rules.js';
import { expiredJobs, expiredUploads, forgetResults, promiseRetention } from './retention.store.js';

const EVERY_MS = 600_000;
/** Longer than the link to an upload is good. */
const UNFILLED_DAYS = 1;

/** Deletes results some time after their job has ended, and inputs that no open job names. Files first: rows find them again after a crash. */
@Injectable()
export class Retention implements OnApplicationBootstrap {
  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly singletons: Singletons,
    private readonly storage: Storage,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.has('scheduler')) this.singletons.every({ name: 'job-retention', everyMs: EVERY_MS, run: (signal) => this.pass(this.clock.now(), signal) });
  }

  async pass(now: Date, signal?: AbortSignal): Promise<void> {
    await promiseRetention(this.db.client, this.config.resultsKeptDays);
    for (;;) {
      const jobs = await expiredJobs(this.db.client, now);
      if (jobs.length === 0 || signal?.aborted === true) break;
      for (const id of jobs) await Promise.all([this.storage.delete(resultsFolder(id)), this.storage.delete(aggregateKey(id))]);
      await forgetResults(this.db.client, jobs);
    }
    for (;;) {
      const uploads = await expiredUploads(this.db.client, daysBefore(now, this.config.resultsKeptDays), daysBefore(now, UNFILLED_DAYS));
      if (uploads.length === 0 || signal?.aborted === true) break;
      for (const id of uploads) await this.storage.delete(uploadKey(id));
      await this.db.client.upload.deleteMany({ where: { id: { in: uploads } } });
    }
    await this.storage.sweep(now);
  }
}
