import { JOB_DEFAULTS, JOB_LIMITS, type DistinctBy, type JobInput, type JobSubmission } from '@muster/shared-types';
import type { JobSpec } from '../job-spec.js';
import type { Need } from '../schedule/need.rules.js';

/** A submission that was looked through as a whole: what a field leaves out is filled in, nothing contradicts anything. */
export interface JobDraft {
  name: string;
  description: string;
  command: string[];
  environment: Record<string, string>;
  inputData: string | null;
  need: Need;
  redundancy: number;
  consensus: number;
  maxCopies: number;
  maxErrors: number;
  distinctBy: DistinctBy;
  timeoutS: number;
  spec: JobSpec;
}

export interface FieldError {
  path: string;
  message: string;
}

/** The part after the last slash may carry a tag or digest. Registry, path, name: as Docker reads them. */
const IMAGE = /^(?:[a-z0-9.-]+(?::\d{1,5})?\/)?[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:\/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?$/;

/** Where `input_data` lies below `/input`. */
export const INPUT_DATA_PATH = 'data';

/** The draft, and every field that is wrong about it: with any, the draft is not to be used. `body.` stands before each path. */
export function draftJob(body: JobSubmission, market: DistinctBy): { draft: JobDraft; errors: FieldError[] } {
  const errors = [...imageErrors(body), ...memoryErrors(body), ...gpuErrors(body), ...inputErrors(body), ...planErrors(body), ...outcomeErrors(body), ...sandboxErrors(body)];
  return { draft: toDraft(body, market), errors };
}

function toDraft(body: JobSubmission, market: DistinctBy): JobDraft {
  const { name, description, command, environment, redundancy, consensus } = body;
  return {
    name, description, command, environment, redundancy, consensus,
    inputData: body.input_data,
    need: needOf(body),
    maxCopies: body.max_copies,
    maxErrors: body.max_errors ?? redundancy,
    distinctBy: stricter(market, body.distinct_by),
    timeoutS: body.timeout_s,
    spec: specOf(body),
  };
}

function needOf(body: JobSubmission): Need {
  return {
    cpuCores: body.required_cpu,
    memoryMb: body.memory_mb ?? (body.required_memory === undefined ? JOB_DEFAULTS.memoryMb : body.required_memory * 1024),
    diskGb: body.disk_gb,
    numGpus: gpusOf(body),
    gpuRamMb: body.gpu_ram_mb,
    gpuName: body.gpu_name ?? null,
    capabilities: body.capabilities,
    geolocation: body.geolocation ?? null,
    minReputation: body.min_reputation,
    image: body.docker_image,
    outputs: body.outputs !== null,
    network: body.network,
  };
}

function specOf(body: JobSubmission): JobSpec {
  const { inputs, outputs, network, gpu_ram_mb, capabilities, compare, tasks, aggregate } = body;
  return { inputs, outputs, network, gpu_ram_mb, gpu_name: body.gpu_name ?? null, capabilities, geolocation: body.geolocation ?? null, compare, tasks, aggregate };
}

/** One machine of each owner is fewer machines than any machine: `owner` is the stricter. */
const stricter = (market: DistinctBy, job: DistinctBy | undefined): DistinctBy => (market === 'owner' || job === 'owner' ? 'owner' : 'node');

const gpusOf = (body: JobSubmission): number => Math.max(body.num_gpus, body.required_gpu || body.gpu_name !== undefined || body.gpu_ram_mb > 0 ? 1 : 0);

const error = (path: string, message: string): FieldError => ({ path: `body.${path}`, message });
const when = (wrong: boolean, path: string, message: string): FieldError[] => (wrong ? [error(path, message)] : []);

function imageErrors({ docker_image, aggregate }: JobSubmission): FieldError[] {
  const message = 'must be an image reference such as python:3.12-slim or ghcr.io/me/tool@sha256:…';
  const aggregator = aggregate.kind === 'container' && !IMAGE.test(aggregate.docker_image);
  return [...when(!IMAGE.test(docker_image), 'docker_image', message), ...when(aggregator, 'aggregate.docker_image', message)];
}

function memoryErrors({ required_memory, memory_mb }: JobSubmission): FieldError[] {
  const both = required_memory !== undefined && memory_mb !== undefined;
  return when(both && Math.ceil(memory_mb / 1024) !== required_memory, 'memory_mb', 'says another amount than required_memory (whole GiB, rounded up): give one of them');
}

function gpuErrors(body: JobSubmission): FieldError[] {
  return when(body.max_errors !== undefined && body.max_errors > body.max_copies, 'max_errors', 'must not be more than max_copies');
}

function inputErrors(body: JobSubmission): FieldError[] {
  const paths = body.inputs.map((input) => input.path);
  const all = body.input_data === null ? paths : [...paths, INPUT_DATA_PATH];
  const inline = body.inputs.reduce((sum, input) => sum + (input.kind === 'inline' ? input.data.length : 0), body.input_data?.length ?? 0);
  return [
    ...body.inputs.flatMap((input, index) => clash(input.path, index, all)),
    ...when(body.input_data !== null && paths.includes(INPUT_DATA_PATH), 'input_data', `lies at ${INPUT_DATA_PATH}, and an input names that path too`),
    ...body.inputs.flatMap((input, index) => when(badBase64(input), `inputs.${index}.data`, 'is not base64')),
    ...when(inline > JOB_LIMITS.inlineInputChars, 'inputs', `inline inputs may have ${JOB_LIMITS.inlineInputChars} characters together: upload larger files`),
  ];
}

/** Two inputs at one path, or one where another needs a folder. */
function clash(path: string, index: number, all: readonly string[]): FieldError[] {
  if (all.indexOf(path) < index) return [error(`inputs.${index}.path`, `${path} is named twice`)];
  return when(all.some((other) => other.startsWith(`${path}/`)), `inputs.${index}.path`, `${path} is a folder of another input`);
}

const badBase64 = (input: JobInput): boolean =>
  input.kind === 'inline' && input.encoding === 'base64' && !/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(input.data);

function planErrors(body: JobSubmission): FieldError[] {
  if (body.tasks.kind === 'matrix') return matrixErrors(body, body.tasks.axes);
  return body.tasks.kind === 'split' ? splitErrors(body, body.tasks) : [];
}

function matrixErrors({ environment }: JobSubmission, axes: Record<string, readonly string[]>): FieldError[] {
  const names = Object.keys(axes);
  const variables = names.map((name) => name.toUpperCase());
  const tasks = Object.values(axes).reduce((product, values) => product * values.length, 1);
  return [
    ...when(names.length === 0, 'tasks.axes', 'needs at least one axis'),
    ...when(tasks > JOB_LIMITS.tasks, 'tasks.axes', `makes ${tasks} tasks; at most ${JOB_LIMITS.tasks} are possible`),
    ...when(new Set(variables).size < variables.length, 'tasks.axes', 'two axes have the same name in upper case'),
    ...names.flatMap((name) => when(name.toUpperCase() in environment, `tasks.axes.${name}`, `environment sets ${name.toUpperCase()} already`)),
  ];
}

function splitErrors(body: JobSubmission, { by, path }: { by: 'lines' | 'files'; path: string }): FieldError[] {
  if (by === 'files') return when(!body.inputs.some((input) => input.path.startsWith(`${path}/`)), 'tasks.path', `no input lies below ${path}/`);
  if (body.input_data !== null && path === INPUT_DATA_PATH) return [];
  const input = body.inputs.find((one) => one.path === path);
  if (!input) return [error('tasks.path', `no input lies at ${path}`)];
  return when(input.kind === 'https' || input.kind === 's3', 'tasks.path', 'only an inline input or an upload can be split by lines: the market does not fetch other people’s files');
}

/** runsc sees no network of Docker's that is fenced off from the host's own. */
function sandboxErrors({ capabilities, network }: JobSubmission): FieldError[] {
  return when(network !== 'none' && capabilities.includes('runtime:gvisor'), 'network', 'must be none with runtime:gvisor: give up one of the two');
}

function outcomeErrors({ outputs, compare, aggregate }: JobSubmission): FieldError[] {
  const joins = aggregate.kind === 'concat' || aggregate.kind === 'json_merge';
  return [
    ...when(outputs !== null && compare.kind === 'tolerance', 'compare', 'a tolerance compares numbers in standard output: leave outputs out'),
    ...when(outputs !== null && joins, 'aggregate', `${aggregate.kind} joins standard outputs: leave outputs out, or aggregate with a container`),
  ];
}
