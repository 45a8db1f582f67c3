import { JOB_LIMITS, type TaskPlan } from '@muster/shared-types';
import type { TaskPart } from '../job-spec.js';

/** A part of a file by lines, counted from 1, both ends included. */
export interface LineSlice {
  fromLine: number;
  toLine: number;
  bytes: Uint8Array;
}

/** What one task has of its own. `slice`: a part of the input whose bytes are still to be put somewhere. */
export interface TaskDraft {
  index: number;
  label: string;
  environment: Record<string, string>;
  part: TaskPart | null;
  slice: LineSlice | null;
}

const NEWLINE = 0x0a;

/**
 * Cuts text into parts of `chunk` lines. Put together again they are the same bytes; a last line without a newline counts.
 * In UTF-8 a newline byte is nothing but a newline, so parts of text are text.
 */
export function sliceLines(bytes: Uint8Array, chunk: number): LineSlice[] {
  const slices: LineSlice[] = [];
  let start = 0;
  let first = 1;
  let lines = 0;
  const cut = (end: number): void => {
    slices.push({ fromLine: first, toLine: first + lines - 1, bytes: bytes.subarray(start, end) });
    [start, first, lines] = [end, first + lines, 0];
  };
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) {
    lines += 1;
    if (lines === chunk) cut(at + 1);
  }
  if (start < bytes.length) {
    if (bytes[bytes.length - 1] !== NEWLINE) lines += 1;
    cut(bytes.length);
  }
  return slices;
}

/** One task per combination of the axes, the last axis moving fastest, as nested loops would. */
export function matrixTasks(axes: Readonly<Record<string, readonly string[]>>): TaskDraft[] {
  let rows: [string, string][][] = [[]];
  for (const [name, values] of Object.entries(axes)) rows = rows.flatMap((row) => values.map((value): [string, string][] => [...row, [name, value]]));
  return rows.map((row, index) => ({
    index,
    label: row.map(([name, value]) => `${name}=${value}`).join(' ').slice(0, 200),
    environment: Object.fromEntries(row.map(([name, value]) => [name.toUpperCase(), value])),
    part: null,
    slice: null,
  }));
}

/** One task per `chunk` files below a folder, in the order of their paths. */
export function fileTasks(paths: readonly string[], folder: string, chunk: number): TaskDraft[] {
  const files = paths.filter((path) => path.startsWith(`${folder}/`)).toSorted();
  const count = Math.ceil(files.length / chunk);
  return Array.from({ length: count }, (_, index) => {
    const own = files.slice(index * chunk, (index + 1) * chunk);
    const label = own.length === 1 ? (own[0] ?? '') : `${own[0] ?? ''} … ${own.at(-1) ?? ''}`;
    return { index, label: label.slice(0, 200), environment: {}, part: { kind: 'files', path: folder, files: own }, slice: null };
  });
}

export function lineTasks(slices: readonly LineSlice[]): TaskDraft[] {
  return slices.map((slice, index) => ({ index, label: `lines ${slice.fromLine}–${slice.toLine}`, environment: {}, part: null, slice }));
}

/**
 * The tasks of a plan. `bytes` is the whole of the input that is split by lines; other plans need none. Empty when the input
 * has no line, and `null` when there would be more tasks than a job may have.
 */
export function splitInputs(plan: TaskPlan, inputs: readonly { path: string }[], bytes?: Uint8Array): TaskDraft[] | null {
  const tasks = tasksOf(plan, inputs, bytes);
  return tasks.length > JOB_LIMITS.tasks ? null : tasks;
}

function tasksOf(plan: TaskPlan, inputs: readonly { path: string }[], bytes: Uint8Array | undefined): TaskDraft[] {
  if (plan.kind === 'single') return [{ index: 0, label: '', environment: {}, part: null, slice: null }];
  if (plan.kind === 'matrix') return matrixTasks(plan.axes);
  if (plan.by === 'files') return fileTasks(inputs.map((input) => input.path), plan.path, plan.chunk);
  return lineTasks(sliceLines(bytes ?? new Uint8Array(), plan.chunk));
}
