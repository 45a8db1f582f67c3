import { Injectable } from '@nestjs/common';
import type { Result } from '@muster/shared-types';
import { Db } from '../../platform/db.js';
import { Meter } from '../../storage/meter.js';
import { Storage, type Written } from '../../storage/storage.port.js';
import { textOf } from '../shown.rules.js';
import { containerResult, finalTasks, type AggregateDue, type FinalTask, type MadeAggregate } from './aggregate.store.js';
import { NO_ARCHIVE } from './archives.store.js';
import { aggregateKey, MAX_AGGREGATE_BYTES, MAX_AGGREGATED_TASKS, taskOutputKey } from './keys.rules.js';
import { AggregateError, concatenated, jsonMerged, outputsOf, type TaskOutput } from './outputs.js';
import type { AggregatePart } from './task-inputs.js';

/** A longer aggregate is only downloaded. */
const SHORT_BYTES = 65_536;
/** A shorter result is no longer than the link to it would be. */
const INLINE_BYTES = 512;

type Stored = Extract<AggregatePart['files'][number], { key: string }>;

/** What is to be done about an aggregate: it is made, a container is to make it, it cannot be made, or something is still missing. */
export type Outcome = { kind: 'made'; made: MadeAggregate } | { kind: 'container'; part: AggregatePart } | { kind: 'failed'; message: string } | { kind: 'wait' };

const failed = (message: string): Outcome => ({ kind: 'failed', message });

/** Joins the results of a job. Writes to the storage alone, and the same bytes each time, so it may be broken off and done again. */
@Injectable()
export class MakeAggregate {
  constructor(
    private readonly db: Db,
    private readonly storage: Storage,
  ) {}

  async run(job: AggregateDue): Promise<Outcome> {
    try {
      if (job.aggregate.kind !== 'container') return await this.#join(job);
      return job.containerTask ? await this.#fromContainer(job) : await this.#forContainer(job);
    } catch (error) {
      if (error instanceof AggregateError) return failed(error.message);
      throw error;
    }
  }

  async #join({ id, aggregate }: AggregateDue): Promise<Outcome> {
    const outputs = outputsOf(this.db.client, id);
    const head = new Head(aggregate.kind === 'concat' ? concatenated(outputs) : jsonMerged(outputs));
    const written = await this.storage.put(aggregateKey(id), head, { maxBytes: MAX_AGGREGATE_BYTES });
    if (written.ok) return { kind: 'made', made: madeOf(written.value, aggregateKey(id), head.bytes()) };
    if (written.problem.code !== 'payload_too_large') throw new Error(`an aggregate could not be stored: ${written.problem.code}`);
    return failed(`The results have more than ${MAX_AGGREGATE_BYTES} bytes together: download them one by one, or aggregate with a container`);
  }

  /** The result of the task that ran the aggregator. */
  async #fromContainer({ id }: AggregateDue): Promise<Outcome> {
    const found = await containerResult(this.db.client, id);
    if (!found) return { kind: 'wait' };
    const { result, isFolder, archiveKey } = found;
    if (!isFolder) {
      const written = stored(await this.storage.put(aggregateKey(id), result ?? new Uint8Array()));
      return { kind: 'made', made: madeOf(written, aggregateKey(id), result ?? new Uint8Array()) };
    }
    if (archiveKey === null) return { kind: 'wait' };
    if (archiveKey === NO_ARCHIVE) return failed('No node has brought the archive of the aggregate');
    // Of the job's result people can check what they download: the archive.
    const { sha256 } = await this.#measured(archiveKey);
    return { kind: 'made', made: { resultHash: sha256, resultKey: archiveKey, result: null } };
  }

  /** Inputs of the task that will run the aggregator. */
  async #forContainer(job: AggregateDue): Promise<Outcome> {
    const tasks = await finalTasks(this.db.client, job.id);
    if (tasks.length > MAX_AGGREGATED_TASKS) return failed(`A container can aggregate the results of ${MAX_AGGREGATED_TASKS} tasks at most`);
    if (job.outputs === null) return { kind: 'container', part: { kind: 'results', files: await this.#outputFiles(job.id) } };
    if (tasks.some((task) => task.archiveKey === null)) return { kind: 'wait' };
    const missing = tasks.find((task) => task.archiveKey === NO_ARCHIVE);
    if (missing) return failed(`No node has brought the archive of task ${missing.index}`);
    const files: Stored[] = [];
    for (const task of tasks) files.push(await this.#archiveFile(task));
    return { kind: 'container', part: { kind: 'results', files } };
  }

  async #outputFiles(jobId: string): Promise<AggregatePart['files']> {
    const files: AggregatePart['files'] = [];
    for await (const output of outputsOf(this.db.client, jobId)) files.push(await this.#outputFile(jobId, output));
    return files;
  }

  async #outputFile(jobId: string, { index, bytes }: TaskOutput): Promise<AggregatePart['files'][number]> {
    const path = String(index);
    if (bytes.length <= INLINE_BYTES) return { path, data: Buffer.from(bytes).toString('base64'), encoding: 'base64' };
    const key = taskOutputKey(jobId, index);
    return { path, key, ...stored(await this.storage.put(key, bytes)) };
  }

  async #archiveFile({ index, archiveKey }: FinalTask): Promise<Stored> {
    const key = archiveKey ?? '';
    return { path: String(index), key, ...(await this.#measured(key)) };
  }

  async #measured(key: string): Promise<Written> {
    const found = await this.storage.get(key);
    if (!found) throw new Error(`an archive is gone: ${key}`);
    const meter = new Meter({});
    for await (const _chunk of meter.through(found.body as AsyncIterable<Uint8Array>));
    return stored(meter.result());
  }
}

function madeOf({ sha256 }: Written, key: string, head: Uint8Array): MadeAggregate {
  return { resultHash: sha256, resultKey: key, result: head.length <= SHORT_BYTES ? textOf(head) : null };
}

function stored(result: Result<Written>): Written {
  if (!result.ok) throw new Error(`a result could not be stored: ${result.problem.code}`);
  return result.value;
}

/** Lets bytes through and keeps their beginning, one byte more than is shown. */
class Head implements AsyncIterable<Uint8Array> {
  readonly #kept: Uint8Array[] = [];
  #size = 0;

  constructor(private readonly source: AsyncIterable<Uint8Array>) {}

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for await (const chunk of this.source) {
      if (this.#size <= SHORT_BYTES) this.#kept.push(chunk.subarray(0, SHORT_BYTES + 1 - this.#size));
      this.#size += chunk.length;
      yield chunk;
    }
  }

  bytes(): Uint8Array {
    return Buffer.concat(this.#kept);
  }
}
