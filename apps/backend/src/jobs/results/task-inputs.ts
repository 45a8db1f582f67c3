import { Injectable } from '@nestjs/common';
import type { JobInput, TaskInput } from '@muster/shared-types';
import { z } from 'zod';
import { Config } from '../../config.js';
import { Db } from '../../platform/db.js';
import { Storage } from '../../storage/storage.port.js';
import { TaskPart } from '../job-spec.js';
import { archiveKey, MAX_ARCHIVE_BYTES, SHARED_FOLDER, uploadKey } from './keys.rules.js';

/** Links live as long as a run may, and an hour more for pulling the image and for a slow line. */
const SLACK_S = 3600;

/** `Task.part` of the task that aggregates: the results of all others, each a file named by the index of its task. */
export const AggregatePart = z.object({
  kind: z.literal('results'),
  files: z.array(
    z.union([
      z.object({ path: z.string(), data: z.string(), encoding: z.enum(['utf8', 'base64']) }),
      z.object({ path: z.string(), key: z.string(), sha256: z.string(), size: z.number().int() }),
    ]),
  ),
});
export type AggregatePart = z.infer<typeof AggregatePart>;

/** Of a job what its inputs follow from. */
export interface InputsOfJob {
  id: string;
  inputs: readonly JobInput[];
  inputData: string | null;
  timeoutS: number;
}
export interface InputsOfTask {
  kind: string;
  part: unknown;
}

interface Upload {
  sha256: string;
  size: number;
}

/** What a run finds below `/input`, and where the archive of its output goes. */
@Injectable()
export class TaskInputs {
  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly storage: Storage,
  ) {}

  /** Inputs as a node gets them: inline, or links that are good for as long as the run may take. */
  async of(job: InputsOfJob, task: InputsOfTask): Promise<TaskInput[]> {
    const ttlS = job.timeoutS + SLACK_S;
    if (task.kind === 'aggregate') return await this.#results(AggregatePart.parse(task.part), ttlS);
    const part = task.part === null || task.part === undefined ? null : TaskPart.parse(task.part);
    const chosen = chosenInputs(job, part);
    const uploads = await this.#uploads(chosen);
    return await Promise.all(chosen.map((input) => this.#link(input, uploads, ttlS)));
  }

  /** Where the archive of this execution's output folder is to be PUT. */
  async uploadUrl(job: Pick<InputsOfJob, 'id' | 'timeoutS'>, executionId: string): Promise<string> {
    const { url } = await this.storage.signedPut(archiveKey(job.id, executionId), { ttlS: job.timeoutS + SLACK_S, maxBytes: MAX_ARCHIVE_BYTES });
    return url;
  }

  async #results({ files }: AggregatePart, ttlS: number): Promise<TaskInput[]> {
    return await Promise.all(files.map(async (file): Promise<TaskInput> => {
      if ('data' in file) return { kind: 'inline', ...file };
      const { path, key, sha256, size } = file;
      return { kind: 'fetch', path, url: await this.storage.signedGet(key, ttlS), sha256, size };
    }));
  }

  async #uploads(inputs: readonly Chosen[]): Promise<Map<string, Upload>> {
    const ids = inputs.flatMap((input) => (input.kind === 'upload' && !('size' in input) ? [input.upload_id] : []));
    if (ids.length === 0) return new Map();
    const rows = await this.db.client.upload.findMany({ where: { id: { in: ids } } });
    return new Map(rows.map((row) => [row.id, { sha256: row.sha256, size: Number(row.size) }]));
  }

  async #link(input: Chosen, uploads: ReadonlyMap<string, Upload>, ttlS: number): Promise<TaskInput> {
    if (input.kind === 'inline') return input;
    if (input.kind === 'https') return { kind: 'fetch', path: input.path, url: input.url, sha256: input.sha256, size: null };
    if (input.kind === 's3') {
      const key = sharedKey(this.config, input.url);
      if (key === undefined) throw new Error('an s3 input was accepted that this market cannot serve');
      return { kind: 'fetch', path: input.path, url: await this.storage.signedGet(key, ttlS), sha256: input.sha256, size: null };
    }
    const { sha256, size } = 'size' in input ? input : uploadOf(uploads, input.upload_id);
    return { kind: 'fetch', path: input.path, url: await this.storage.signedGet(uploadKey(input.upload_id), ttlS), sha256, size };
  }
}

/** An input of the job, or the part of one, whose upload is known without asking. */
type Chosen = JobInput | { kind: 'upload'; path: string; upload_id: string; sha256: string; size: number };

function uploadOf(uploads: ReadonlyMap<string, Upload>, id: string): Upload {
  const found = uploads.get(id);
  if (!found) throw new Error(`the upload ${id} of an open job is gone`);
  return found;
}

/** What of the job's inputs this task sees, its own part in the place of the whole. */
export function chosenInputs({ inputs, inputData }: InputsOfJob, part: TaskPart | null): Chosen[] {
  const data: Chosen[] = inputData === null ? [] : [{ kind: 'inline', path: 'data', data: inputData, encoding: 'utf8' }];
  const all = [...data, ...inputs];
  if (part === null) return all;
  if (part.kind === 'files') return all.filter((input) => !input.path.startsWith(`${part.path}/`) || part.files.includes(input.path));
  const { path } = part;
  const own: Chosen = 'data' in part ? { kind: 'inline', path, data: part.data, encoding: part.encoding } : { kind: 'upload', path, upload_id: part.upload_id, sha256: part.sha256, size: part.size };
  return [...all.filter((input) => input.path !== path), own];
}

/** Key of an `s3://` input in the market's own bucket; undefined for what this market must not, or cannot, hand out. */
export function sharedKey({ storage }: Pick<Config, 'storage'>, url: string): string | undefined {
  const [, bucket = '', key = ''] = /^s3:\/\/([^/]+)\/(.+)$/.exec(url) ?? [];
  return storage.kind === 's3' && bucket === storage.bucket && key.startsWith(SHARED_FOLDER) ? key : undefined;
}

/** Why an `s3://` input is not possible; null when it is. */
export function s3Fault(config: Pick<Config, 'storage'>, url: string): string | null {
  if (config.storage.kind !== 's3') return 'this market has no bucket: upload the file, or give an https:// URL';
  return sharedKey(config, url) === undefined ? `only s3://${config.storage.bucket}/${SHARED_FOLDER}… can be read with the market's credentials: upload the file, or give an https:// URL` : null;
}
