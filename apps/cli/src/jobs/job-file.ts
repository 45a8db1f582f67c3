import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { JobSubmissionInput } from '@muster/shared-types';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { CliError, EXIT } from '../output/exit-codes.js';
import { matrixOf } from './flags.rules.js';

/** A file or folder of this machine, and where it shall lie below `/input`. */
export interface LocalInput {
  source: string;
  path: string;
}

export interface JobFile {
  /** As the market takes it; its fields are checked with everything else. */
  submission: Partial<JobSubmissionInput>;
  /** `inputs` of kind `file`, which the command line reads and sends. */
  files: LocalInput[];
}

/** People write `SEED: 1`; the wire wants text. */
const Text = z.union([z.string(), z.number(), z.boolean()]).transform(String);
const FileInput = z.object({ kind: z.literal('file'), file: z.string().min(1), path: z.string().min(1).optional() }).strict();
const Axis = z.union([z.array(Text), Text]);

const Shape = z.looseObject({
  command: z.array(Text).optional(),
  environment: z.record(z.string(), Text).optional(),
  max_price_usd: Text.optional(),
  inputs: z.array(z.union([FileInput, z.looseObject({ kind: z.string() })])).optional(),
  tasks: z.union([z.object({ kind: z.literal('matrix'), axes: z.record(z.string(), Axis) }).strict(), z.looseObject({ kind: z.string() })]).optional(),
});

/** Reads a `job.yaml` (or JSON): the fields of a submission, files named relative to it. Throws a usage error. */
export async function readJobFile(path: string): Promise<JobFile> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new CliError(`${path} cannot be read.`, EXIT.usage, undefined, { cause: error });
  });
  return jobFileOf(text, path);
}

export function jobFileOf(text: string, path: string): JobFile {
  const document = parseDocument(text);
  const [broken] = document.errors;
  if (broken) throw new CliError(`${path}: ${broken.message}`, EXIT.usage);
  const parsed = Shape.safeParse(document.toJS({ maxAliasCount: 100 }));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new CliError(`${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message ?? 'is not a job'}`, EXIT.usage, 'Its fields are those of JobSubmission: docs/jobs.md');
  }
  const { inputs = [], tasks, ...rest } = parsed.data;
  const isFile = (input: (typeof inputs)[number]): input is z.infer<typeof FileInput> => input.kind === 'file';
  const sent = inputs.filter((input) => !isFile(input));
  return {
    submission: { ...rest, ...(sent.length > 0 && { inputs: sent }), ...(tasks && { tasks: planOf(tasks) }) } as Partial<JobSubmissionInput>,
    files: inputs.filter(isFile).map(({ file, path: below }) => ({ source: resolve(dirname(path), file), path: below ?? file.replace(/^(\.?\/)+/, '') })),
  };
}

/** An axis may be a range or a list, as on the command line. */
function planOf(tasks: Record<string, unknown>): unknown {
  if (tasks['kind'] !== 'matrix') return tasks;
  const axes = Object.entries(tasks['axes'] as Record<string, z.infer<typeof Axis>>);
  const plans = axes.map(([name, values]) => (Array.isArray(values) ? { kind: 'matrix' as const, axes: { [name]: values } } : matrixOf([`${name}=${values}`])));
  return { kind: 'matrix', axes: Object.assign({}, ...plans.map((plan) => (plan.kind === 'matrix' ? plan.axes : {}))) as Record<string, string[]> };
}
