import { type Compare, JOB_DEFAULTS, JOB_LIMITS, type JobSubmissionInput, parseBytes, parseDurationS, type TaskPlan } from '@muster/shared-types';
import { CliError, EXIT } from '../output/exit-codes.js';

/** What the command line gives, as commander hands it over. What is left out is left to the file or to the market. */
export interface SubmitFlags {
  name?: string;
  description?: string;
  image?: string;
  cmd?: string[];
  env?: Record<string, string>;
  inputData?: string;
  outputs?: string;
  cpu?: string;
  memory?: string;
  disk?: string;
  gpu?: string;
  gpuRam?: string;
  gpuName?: string;
  needs?: string[];
  region?: string;
  minReputation?: string;
  network?: string;
  timeout?: string;
  redundancy?: string;
  consensus?: string;
  maxCopies?: string;
  maxErrors?: string;
  distinctBy?: string;
  tolerance?: string;
  matrix?: string[];
  aggregate?: string;
  maxPrice?: string;
}

const usage = (message: string, example: string): CliError => new CliError(message, EXIT.usage, `For example: ${example}`);

/** The submission that flags describe, on top of what a file says. Throws a usage error that names the flag. */
export function submissionOf(flags: SubmitFlags, file: Partial<JobSubmissionInput> = {}): JobSubmissionInput {
  const merged = { ...file, ...fields(flags), environment: { ...file.environment, ...flags.env } };
  const { docker_image: image } = merged;
  if (image === undefined) throw usage('Which image?', 'muster submit --image workspace --cmd echo --cmd hello');
  return { ...merged, ...copies(merged), docker_image: image, name: merged.name ?? nameOf(image, merged.command ?? []) };
}

function fields(flags: SubmitFlags): Partial<JobSubmissionInput> {
  const gpus = whole(flags.gpu, '--gpu', 0);
  return defined<JobSubmissionInput>({
    name: flags.name,
    description: flags.description,
    docker_image: flags.image,
    command: flags.cmd,
    input_data: flags.inputData,
    outputs: outputsOf(flags.outputs),
    required_cpu: whole(flags.cpu, '--cpu'),
    memory_mb: mebibytes(flags.memory, '--memory'),
    disk_gb: whole(flags.disk, '--disk'),
    num_gpus: gpus,
    required_gpu: gpus === undefined ? undefined : gpus > 0,
    gpu_ram_mb: mebibytes(flags.gpuRam, '--gpu-ram'),
    gpu_name: flags.gpuName,
    capabilities: flags.needs?.flatMap((text) => text.split(',')).map((text) => text.trim()).filter((text) => text !== ''),
    geolocation: flags.region?.toUpperCase(),
    min_reputation: whole(flags.minReputation, '--min-reputation', 0),
    network: oneOf(flags.network, '--network', ['none', 'egress'] as const),
    timeout_s: durationS(flags.timeout),
    redundancy: whole(flags.redundancy, '--redundancy'),
    consensus: whole(flags.consensus, '--consensus'),
    max_copies: whole(flags.maxCopies, '--max-copies'),
    max_errors: whole(flags.maxErrors, '--max-errors'),
    distinct_by: oneOf(flags.distinctBy, '--distinct-by', ['owner', 'node'] as const),
    compare: toleranceOf(flags.tolerance),
    tasks: flags.matrix && matrixOf(flags.matrix),
    aggregate: kindOf(oneOf(flags.aggregate, '--aggregate', ['none', 'concat', 'json_merge'] as const)),
    max_price_usd: flags.maxPrice,
  });
}

const kindOf = <K extends string>(kind: K | undefined): { kind: K } | undefined => (kind === undefined ? undefined : { kind });

/** Whoever names one of the three numbers gets others that go with it; the market's defaults go with each other. */
function copies({ redundancy, consensus, max_copies }: Partial<JobSubmissionInput>): Partial<JobSubmissionInput> {
  const n = redundancy ?? Math.max(JOB_DEFAULTS.redundancy, consensus ?? 0);
  return {
    redundancy: n,
    consensus: consensus ?? Math.min(JOB_DEFAULTS.consensus, n),
    max_copies: max_copies ?? Math.max(JOB_DEFAULTS.maxCopies, n),
  };
}

const nameOf = (image: string, command: readonly string[]): string => [image, ...command].join(' ').slice(0, 60);

function defined<T extends object>(values: { [K in keyof T]?: T[K] | undefined }): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;
}

function whole(text: string | undefined, flag: string, least = 1): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text) || Number(text) < least) throw usage(`${flag} ${text} is not a whole number from ${least}.`, `${flag} ${Math.max(1, least)}`);
  return Number(text);
}

function mebibytes(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const bytes = /[kmgt]b?$/i.test(text.trim()) ? parseBytes(text) : undefined;
  if (bytes === undefined || bytes < 2 ** 20) throw usage(`${flag} ${text} is not an amount of memory.`, `${flag} 512m`);
  return Math.ceil(bytes / 2 ** 20);
}

function durationS(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const seconds = parseDurationS(text);
  if (!seconds) throw usage(`--timeout ${text} is not a duration.`, '--timeout 300 or --timeout 2h');
  return seconds;
}

function oneOf<T extends string>(text: string | undefined, flag: string, allowed: readonly T[]): T | undefined {
  if (text === undefined || allowed.some((word) => word === text)) return text as T | undefined;
  throw new CliError(`${flag} ${text} is none of ${allowed.join(', ')}.`, EXIT.usage);
}

function outputsOf(text: string | undefined): '/output' | undefined {
  if (text === undefined) return undefined;
  if (text.replace(/\/+$/, '') !== '/output') throw new CliError(`--outputs ${text}: the folder whose files are the result is /output.`, EXIT.usage, 'Let the command write there, and say: --outputs /output');
  return '/output';
}

/** `1e-6` for both, or `ATOL:RTOL`. */
function toleranceOf(text: string | undefined): Compare | undefined {
  if (text === undefined) return undefined;
  const [atol, rtol = atol, ...rest] = text.split(':').map(Number);
  if (rest.length > 0 || ![atol, rtol].every((value) => value !== undefined && Number.isFinite(value) && value >= 0)) throw usage(`--tolerance ${text} is not ATOL:RTOL.`, '--tolerance 1e-9:1e-6');
  return { kind: 'tolerance', atol: atol ?? 0, rtol: rtol ?? 0 };
}

/** `seed=1..100` or `lr=0.1,0.2`, one per axis. */
export function matrixOf(texts: readonly string[]): TaskPlan {
  const axes: Record<string, string[]> = {};
  for (const text of texts) {
    const [, name, values] = /^([A-Za-z_]\w{0,63})=(.+)$/s.exec(text) ?? [];
    if (name === undefined || values === undefined) throw usage(`--matrix ${text} is not NAME=VALUES.`, '--matrix seed=1..100 --matrix lr=0.1,0.2');
    if (name in axes) throw usage(`--matrix names ${name} twice.`, `--matrix ${name}=1,2`);
    axes[name] = valuesOf(text, values);
  }
  const tasks = Object.values(axes).reduce((product, values) => product * values.length, 1);
  if (tasks > JOB_LIMITS.tasks) throw new CliError(`That makes ${tasks} tasks; a job has at most ${JOB_LIMITS.tasks}.`, EXIT.usage, 'Split it over more than one job.');
  return { kind: 'matrix', axes };
}

function valuesOf(text: string, values: string): string[] {
  const [, first, last] = /^(-?\d{1,9})\.\.(-?\d{1,9})$/.exec(values) ?? [];
  if (first === undefined || last === undefined) return values.split(',').map((value) => value.trim());
  const count = Number(last) - Number(first) + 1;
  if (count < 1 || count > JOB_LIMITS.tasks) throw usage(`--matrix ${text} is not a range that grows, of at most ${JOB_LIMITS.tasks}.`, '--matrix seed=1..100');
  return Array.from({ length: count }, (_, index) => String(Number(first) + index));
}

export interface SplitWish {
  by: 'lines' | 'files';
  /** A file, or a folder of files, of this machine. */
  source: string;
  chunk: number;
}

/** `lines:FILE:10` or `files:FOLDER:2`. */
export function splitOf(text: string): SplitWish {
  const [, by, source, chunk] = /^(lines|files):(.+):(\d{1,7})$/s.exec(text) ?? [];
  if (!by || !source || !chunk || Number(chunk) < 1) throw usage(`--split ${text} is neither lines:FILE:COUNT nor files:FOLDER:COUNT.`, '--split lines:words.txt:10');
  return { by: by as SplitWish['by'], source, chunk: Number(chunk) };
}
