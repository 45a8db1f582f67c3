import type { PrismaClient } from '@muster/prisma';
import { cutJson } from './json-merge.rules.js';

/** Standard output of one task, as its agreed copy gave it. */
export interface TaskOutput {
  index: number;
  bytes: Uint8Array;
}

/** Results up to 256 KiB each are read this many at a time. */
const PAGE = 64;
/** Objects are merged in memory. */
const MAX_MERGED_CHARS = 64 * 1024 * 1024;

/** The results cannot be joined: what is wrong with which of them, for whoever submitted the job. */
export class AggregateError extends Error {}

/** Standard outputs of all tasks in their order. */
export async function* outputsOf(db: PrismaClient, jobId: string): AsyncGenerator<TaskOutput> {
  for (let after = -1; ; ) {
    const rows = await db.$queryRaw<{ index: number; result: Uint8Array | null }[]>`
      SELECT t.index, e.result FROM "Task" t JOIN "JobExecution" e ON e.id = t."canonicalId"
      WHERE t."jobId" = ${jobId}::uuid AND t.kind = 'task' AND t.status = 'final' AND t.index > ${after}::int ORDER BY t.index LIMIT ${PAGE}::int`;
    for (const { index, result } of rows) yield { index, bytes: result ?? new Uint8Array() };
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    after = last.index;
  }
}

/** One after another, as they are. */
export async function* concatenated(outputs: AsyncIterable<TaskOutput>): AsyncGenerator<Uint8Array> {
  for await (const { bytes } of outputs) yield bytes;
}

/** One array of all items, or one object of all members: a later task's member takes the place of an earlier one's. Throws AggregateError. */
export async function* jsonMerged(outputs: AsyncIterable<TaskOutput>): AsyncGenerator<Uint8Array> {
  const merged = new Map<string, string>();
  let kind: 'object' | 'array' | undefined;
  let chars = 0;
  let separator = '[';
  for await (const output of outputs) {
    const json = readJson(output);
    if (kind !== undefined && json.kind !== kind) throw new AggregateError(`Task ${output.index} gave an ${json.kind} where the tasks before it gave an ${kind}: only results of one kind can be merged`);
    kind = json.kind;
    if (json.kind === 'array') {
      if (json.items === '') continue;
      yield Buffer.from(separator + json.items);
      separator = ',';
      continue;
    }
    for (const [key, text] of json.members) {
      chars += key.length + text.length - (merged.has(key) ? key.length + (merged.get(key)?.length ?? 0) : 0);
      merged.set(key, text);
    }
    if (chars > MAX_MERGED_CHARS) throw new AggregateError(`The merged object has more than ${MAX_MERGED_CHARS} characters: give arrays, or aggregate with a container`);
  }
  if (kind === 'array') yield Buffer.from(separator === '[' ? '[]' : ']');
  else yield* writeObject(merged);
}

function readJson({ index, bytes }: TaskOutput): Exclude<ReturnType<typeof cutJson>, undefined | { kind: 'other' }> {
  const json = cutJson(textOf(bytes) ?? '');
  if (json === undefined) throw new AggregateError(`Task ${index} gave no JSON`);
  if (json.kind === 'other') throw new AggregateError(`Task ${index} gave JSON that is neither an object nor an array`);
  return json;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function* writeObject(members: ReadonlyMap<string, string>): Generator<Uint8Array> {
  let separator = '{';
  for (const [key, text] of members) {
    yield Buffer.from(`${separator}${JSON.stringify(key)}:${text}`);
    separator = ',';
  }
  yield Buffer.from(separator === '{' ? '{}' : '}');
}
