import { Injectable } from '@nestjs/common';
import type { Job } from '@muster/prisma';
import { fail, Manifest, ok, type JobResult, type Result } from '@muster/shared-types';
import { z } from 'zod';
import { Config } from '../../config.js';
import { Clock } from '../../platform/clock.js';
import { readCursor, writeCursor } from '../../platform/cursor.js';
import { Db } from '../../platform/db.js';
import { Storage } from '../../storage/storage.port.js';
import { textOrBase64 } from '../shown.rules.js';
import { NO_ARCHIVE } from './archives.store.js';
import { keptUntil } from './retention.rules.js';
import { hasArchivesDue, jobOfSubmitter, partsPage, type PartRow } from './results.store.js';

/** Links to results are good for this long; asking again gives new ones. */
const LINK_TTL_S = 900;
const BY_INDEX = { key: z.string().regex(/^\d{1,7}$/), id: z.uuid() };

/** What of a job can be had by now: parts as they become final, then the aggregate. */
@Injectable()
export class ReadResult {
  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly storage: Storage,
  ) {}

  async run(userId: string, jobId: string, query: { cursor?: string | undefined; limit: number }): Promise<Result<JobResult>> {
    const after = Number(readCursor(query.cursor, BY_INDEX)?.[0] ?? -1);
    const job = await jobOfSubmitter(this.db.client, userId, jobId);
    if (!job) return fail('not_found');
    const until = keptUntil(job, this.config.resultsKeptDays);
    if (until !== null && until <= this.clock.now()) return fail('result_expired', { detail: `Results are kept for ${this.config.resultsKeptDays} days after a job has ended` });
    const { parts, more } = await partsPage(this.db.client, jobId, after, query.limit);
    const last = parts.at(-1);
    return ok({
      job_id: jobId,
      status: job.status,
      complete: job.status === 'completed' && !(await hasArchivesDue(this.db.client, jobId)),
      aggregate: await this.#aggregate(job),
      parts: await Promise.all(parts.map((part) => this.#part(part))),
      next: more && last ? writeCursor([String(last.index), last.id]) : null,
      kept_until: until?.toISOString() ?? null,
    });
  }

  async #aggregate({ resultKey, result, resultHash }: Job): Promise<JobResult['aggregate']> {
    // A job without an aggregate has a result, but nothing in the storage.
    if (resultKey === null || resultHash === null) return null;
    const size = (await this.storage.stat(resultKey)) ?? 0;
    return { result, encoding: 'utf8', sha256: resultHash, size, url: await this.storage.signedGet(resultKey, LINK_TTL_S) };
  }

  async #part(row: PartRow): Promise<JobResult['parts'][number]> {
    const isFolder = row.manifest !== null;
    const shown = row.result === null || isFolder ? { result: null, encoding: 'utf8' as const } : textOrBase64(row.result);
    const archived = isFolder && row.archiveKey !== null && row.archiveKey !== NO_ARCHIVE;
    return {
      task_id: row.id,
      index: row.index,
      label: row.label,
      result_hash: row.hash,
      ...shown,
      manifest: isFolder ? Manifest.parse(row.manifest) : null,
      archive_url: archived ? await this.storage.signedGet(row.archiveKey ?? '', LINK_TTL_S) : null,
    };
  }
}
