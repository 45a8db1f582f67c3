import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { fail, ok, type JobInput, type Result } from '@muster/shared-types';
import { Config } from '../../config.js';
import { Clock } from '../../platform/clock.js';
import { Db } from '../../platform/db.js';
import { newId } from '../../platform/ids.js';
import { Storage } from '../../storage/storage.port.js';
import { PART_INLINE_CHARS, type TaskPart } from '../job-spec.js';
import { uploadKey } from '../results/keys.rules.js';
import { s3Fault } from '../results/task-inputs.js';
import { Uploads } from '../results/uploads.js';
import { INPUT_DATA_PATH, type JobDraft } from './descriptor.rules.js';
import type { LineSlice, TaskDraft } from './split.rules.js';

/** An upload that is to be split by lines is read as a whole. */
const SPLIT_BYTES = 67_108_864;
/** Parts stored side by side. */
const AT_ONCE = 8;

/** Inputs as files: whose uploads they are, the bytes that are split, parts and inputs too long for a row of a table. */
@Injectable()
export class InputFiles {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly storage: Storage,
    private readonly config: Config,
    private readonly uploads: Uploads,
  ) {}

  /** Every upload that is named belongs to this account and is there; what is named in a bucket may be handed out. */
  async check(userId: string, inputs: readonly JobInput[]): Promise<Result<void>> {
    const ids = inputs.flatMap((input) => (input.kind === 'upload' ? [input.upload_id] : []));
    await this.uploads.notice(ids);
    const rows = await this.db.client.upload.findMany({ where: { id: { in: ids }, userId }, select: { id: true, storedAt: true } });
    const stored = new Map(rows.map((row) => [row.id, row.storedAt !== null]));
    const foreign = ids.find((id) => !stored.has(id));
    if (foreign !== undefined) return fail('not_found', { detail: 'This account has no such upload' });
    const errors = inputs.flatMap((input, index) => {
      if (input.kind === 'upload' && stored.get(input.upload_id) === false) return [{ path: `body.inputs.${index}.upload_id`, message: 'nothing was uploaded to it yet' }];
      const fault = input.kind === 's3' ? s3Fault(this.config, input.url) : null;
      return fault === null ? [] : [{ path: `body.inputs.${index}.url`, message: fault }];
    });
    return errors.length === 0 ? ok(undefined) : fail('invalid_request', { detail: 'See errors', errors });
  }

  /** The input at this path, which is inline or an upload. */
  async bytesOf(draft: JobDraft, path: string): Promise<Result<Uint8Array>> {
    const input = draft.spec.inputs.find((one) => one.path === path);
    if (!input) return ok(Buffer.from(path === INPUT_DATA_PATH ? (draft.inputData ?? '') : '', 'utf8'));
    if (input.kind === 'inline') return ok(Buffer.from(input.data, input.encoding));
    return input.kind === 'upload' ? await this.#read(uploadKey(input.upload_id)) : ok(new Uint8Array());
  }

  async #read(key: string): Promise<Result<Uint8Array>> {
    const stored = await this.storage.get(key);
    if (!stored) return fail('not_found', { detail: 'This upload is no longer kept' });
    if (stored.size > SPLIT_BYTES) {
      stored.body.destroy();
      return fail('payload_too_large', { detail: `A file to be split by lines may have ${SPLIT_BYTES} bytes`, hint: 'Split it into uploads of your own and use split by files' });
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of stored.body) chunks.push(chunk as Uint8Array);
    return ok(Buffer.concat(chunks));
  }

  /** Whether anything of it is to be placed or made lighter. */
  anyToStore({ spec, inputData }: JobDraft, tasks: readonly TaskDraft[]): boolean {
    const long = spec.inputs.some((input) => input.kind === 'inline' && input.data.length > PART_INLINE_CHARS);
    return long || tasks[0]?.slice != null || (inputData?.length ?? 0) > PART_INLINE_CHARS;
  }

  /** Tasks with their parts where they stay: short ones in the row, longer ones as uploads of this account. */
  async place(userId: string, draft: JobDraft, tasks: readonly TaskDraft[]): Promise<TaskDraft[]> {
    const { tasks: plan } = draft.spec;
    if (plan.kind !== 'split' || plan.by !== 'lines') return [...tasks];
    const placed = [...tasks];
    let next = 0;
    const worker = async (): Promise<void> => {
      for (let index = next++; index < placed.length; index = next++) placed[index] = await this.#placeOne(userId, plan.path, placed[index] as TaskDraft);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return placed;
  }

  async #placeOne(userId: string, path: string, task: TaskDraft): Promise<TaskDraft> {
    return task.slice === null ? task : { ...task, part: await this.#part(userId, path, task.slice), slice: null };
  }

  async #part(userId: string, path: string, { fromLine, toLine, bytes }: LineSlice): Promise<TaskPart> {
    const lines = { kind: 'lines' as const, path, from_line: fromLine, to_line: toLine };
    if (bytes.length <= (PART_INLINE_CHARS * 3) / 4) return { ...lines, ...inlined(bytes) };
    return { ...lines, ...(await this.#store(userId, bytes)) };
  }

  /** Inputs that are too long to be read with every look at the job become uploads. */
  async lighten(userId: string, draft: JobDraft): Promise<JobDraft> {
    const plan = draft.spec.tasks;
    const split = plan.kind === 'split' && plan.by === 'lines' ? plan.path : null;
    const inputs: JobInput[] = [];
    for (const input of draft.spec.inputs) {
      // What is split is with the tasks already.
      if (input.kind === 'inline' && input.path === split) inputs.push({ ...input, data: '' });
      else if (input.kind === 'inline' && input.data.length > PART_INLINE_CHARS) inputs.push(await this.#asUpload(userId, input));
      else inputs.push(input);
    }
    const { inputData } = draft;
    if (inputData === null || split === INPUT_DATA_PATH) return { ...draft, inputData: null, spec: { ...draft.spec, inputs } };
    if (inputData.length <= PART_INLINE_CHARS) return { ...draft, spec: { ...draft.spec, inputs } };
    inputs.push(await this.#asUpload(userId, { kind: 'inline', path: INPUT_DATA_PATH, data: inputData, encoding: 'utf8' }));
    return { ...draft, inputData: null, spec: { ...draft.spec, inputs } };
  }

  async #asUpload(userId: string, input: Extract<JobInput, { kind: 'inline' }>): Promise<JobInput> {
    const { upload_id } = await this.#store(userId, Buffer.from(input.data, input.encoding));
    return { kind: 'upload', path: input.path, upload_id };
  }

  async #store(userId: string, bytes: Uint8Array): Promise<{ upload_id: string; sha256: string; size: number }> {
    const id = newId();
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const now = this.clock.now();
    await this.db.client.upload.create({ data: { id, userId, size: bytes.length, sha256, createdAt: now } });
    const written = await this.storage.put(uploadKey(id), bytes, { sha256 });
    if (!written.ok) throw new Error(`an input could not be stored: ${written.problem.code}`);
    await this.db.client.upload.update({ where: { id }, data: { storedAt: now } });
    return { upload_id: id, sha256, size: bytes.length };
  }
}

function inlined(bytes: Uint8Array): { data: string; encoding: 'utf8' | 'base64' } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  const isText = !text.includes('\0') && Buffer.from(text, 'utf8').equals(buffer);
  return isText ? { data: text, encoding: 'utf8' } : { data: buffer.toString('base64'), encoding: 'base64' };
}
