import { JobSubmission, type JobSubmissionInput } from '@muster/shared-types';
import { envLines } from '../rent/wish.rules';
import { splitCommand } from './command.rules';

/** The form as typed. What it cannot say can be written as JSON. */
export interface Draft {
  name: string;
  image: string;
  command: string;
  env: string;
  input: string;
  plan: 'single' | 'matrix' | 'lines';
  /** `AXIS: a, b, c`, one a line. */
  axes: string;
  chunk: string;
  redundancy: string;
  consensus: string;
  cpu: string;
  memory: string;
  gpus: string;
  timeout: string;
  network: 'none' | 'egress';
  aggregate: 'none' | 'concat' | 'json_merge';
  maxPrice: string;
}

export const FIRST_DRAFT: Draft = {
  name: '', image: '', command: '', env: '', input: '', plan: 'single', axes: '', chunk: '100', redundancy: '3', consensus: '2', cpu: '1', memory: '512', gpus: '0', timeout: '300', network: 'none', aggregate: 'none', maxPrice: '',
};

export type DraftErrors = Partial<Record<keyof Draft, string>>;
export type Checked = { ok: true; submission: JobSubmissionInput } | { ok: false; errors: DraftErrors; other: string[] };

/** Fields of the contract and where they are typed. */
const WHERE: Record<string, keyof Draft> = {
  name: 'name', docker_image: 'image', command: 'command', environment: 'env', input_data: 'input', redundancy: 'redundancy', consensus: 'consensus', max_copies: 'redundancy', required_cpu: 'cpu', memory_mb: 'memory', num_gpus: 'gpus', timeout_s: 'timeout', max_price_usd: 'maxPrice', tasks: 'plan',
};

/** By the contract's own schema, so that the form refuses what the market would, and nothing else. */
export function checkDraft(draft: Draft): Checked {
  const submission = submissionOf(draft);
  const parsed = JobSubmission.safeParse(submission);
  const errors: DraftErrors = {};
  const other: string[] = [];
  for (const issue of parsed.error?.issues ?? []) {
    const field = WHERE[String(issue.path[0])];
    const place = field === 'plan' && draft.plan === 'matrix' ? 'axes' : field === 'plan' && draft.plan === 'lines' ? 'chunk' : field;
    if (place) errors[place] ??= issue.message;
    else other.push(`${issue.path.join('.')} ${issue.message}`);
  }
  if (splitCommand(draft.command) === undefined) errors.command = 'a quote is not closed';
  if (draft.plan === 'lines' && draft.input === '') errors.input = 'is what would be split; it is empty';
  return Object.keys(errors).length + other.length === 0 ? { ok: true, submission } : { ok: false, errors, other };
}

/** The same in the contract's form; a number that is none stays wrong, for the schema to say so. */
export function submissionOf(draft: Draft): JobSubmissionInput {
  const env = envLines(draft.env);
  const gpus = numberOf(draft.gpus);
  return {
    name: draft.name.trim(),
    docker_image: draft.image.trim(),
    command: splitCommand(draft.command) ?? [],
    ...(env.length > 0 && { environment: Object.fromEntries(env.map(({ name, value }) => [name, value])) }),
    ...(draft.input !== '' && { input_data: draft.input }),
    ...(draft.plan !== 'single' && { tasks: planOf(draft) }),
    redundancy: numberOf(draft.redundancy),
    consensus: numberOf(draft.consensus),
    max_copies: Math.max(numberOf(draft.redundancy), 7),
    required_cpu: numberOf(draft.cpu),
    memory_mb: numberOf(draft.memory),
    ...(gpus !== 0 && { num_gpus: gpus, required_gpu: true }),
    timeout_s: numberOf(draft.timeout),
    ...(draft.network !== 'none' && { network: draft.network }),
    ...(draft.aggregate !== 'none' && { aggregate: { kind: draft.aggregate } }),
    ...(draft.maxPrice !== '' && { max_price_usd: draft.maxPrice }),
  };
}

const numberOf = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));

/** The input of the form lies in `/input/data`. */
function planOf(draft: Draft): NonNullable<JobSubmissionInput['tasks']> {
  if (draft.plan === 'lines') return { kind: 'split', by: 'lines', path: 'data', chunk: numberOf(draft.chunk) };
  const axes = draft.axes.split('\n').map((line) => line.trim()).filter((line) => line !== '').map((line): [string, string[]] => {
    const [name = '', values = ''] = line.split(/:(.*)/s);
    return [name.trim(), values.split(',').map((value) => value.trim()).filter((value) => value !== '')];
  });
  return { kind: 'matrix', axes: Object.fromEntries(axes) };
}
