import { z } from 'zod';
import { DistinctBy, ExecutionStatus, ExecutionVerdict, JobStatus, TaskStatus } from '../enums.js';
import { JOB_DEFAULTS, JOB_LIMITS } from '../numbers.js';
import { Timestamp, UsdInput, UsdString, Uuid } from '../units.js';

export const Sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');

/** A name inside a container's `/input` or `/output`: relative, no `..`, no absolute path. */
export const RelativePath = z
  .string()
  .min(1)
  .max(300)
  .refine((path) => !path.startsWith('/') && !path.includes('\0') && path.split('/').every((part) => part !== '' && part !== '.' && part !== '..'), 'must be a relative path without . or ..');

/** A file that is put below `/input`, read-only. What is fetched needs its SHA-256, so that every node runs on the same bytes. */
export const JobInput = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('inline'), path: RelativePath, data: z.string().max(JOB_LIMITS.inlineInputChars), encoding: z.enum(['utf8', 'base64']).default('utf8') }),
    z.object({ kind: z.literal('https'), path: RelativePath, url: z.url({ protocol: /^https$/ }).max(2000), sha256: Sha256Hex }),
    z.object({ kind: z.literal('s3'), path: RelativePath, url: z.string().regex(/^s3:\/\/[a-z0-9.-]{3,63}\/.+$/, 'must be s3://bucket/key').max(2000), sha256: Sha256Hex }),
    /** A file that was uploaded to this market before (`POST /api/v1/uploads`). */
    z.object({ kind: z.literal('upload'), path: RelativePath, upload_id: Uuid }),
  ])
  .meta({ id: 'JobInput' });
export type JobInput = z.infer<typeof JobInput>;

/** How one job becomes many tasks. */
export const TaskPlan = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('single') }),
    /** One task per combination; every value reaches the container as an environment variable of the axis's upper-cased name. */
    z.object({ kind: z.literal('matrix'), axes: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/), z.array(z.string().max(1000)).min(1).max(JOB_LIMITS.tasks)) }),
    /** One task per `chunk` lines of an input, or per `chunk` files below a folder of inputs; the part lies where the whole would. */
    z.object({ kind: z.literal('split'), by: z.enum(['lines', 'files']), path: RelativePath, chunk: z.number().int().min(1).max(1_000_000) }),
  ])
  .meta({ id: 'TaskPlan' });
export type TaskPlan = z.infer<typeof TaskPlan>;

/** `tolerance`: results are numbers apart by white space or JSON; |a−b| ≤ atol + rtol·max(|a|,|b|) pair by pair. */
export const Compare = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('exact') }),
    z.object({ kind: z.literal('tolerance'), atol: z.number().nonnegative(), rtol: z.number().nonnegative() }),
  ])
  .meta({ id: 'Compare' });
export type Compare = z.infer<typeof Compare>;

export const Aggregate = z
  .discriminatedUnion('kind', [
    z.object({ kind: z.literal('none') }),
    /** Results in the order of their tasks, one after another. */
    z.object({ kind: z.literal('concat') }),
    /** Objects are merged key by key (a later task wins), arrays are joined. */
    z.object({ kind: z.literal('json_merge') }),
    /** One more task of the same redundancy: sees every result as `/input/<task index>`, its own result is the job's. */
    z.object({ kind: z.literal('container'), docker_image: z.string().min(1).max(500), command: z.array(z.string().max(4096)).max(64) }),
  ])
  .meta({ id: 'Aggregate' });
export type Aggregate = z.infer<typeof Aggregate>;

/** What a submitter writes. Unknown fields are refused: a typo here costs money. */
export const JobSubmission = z
  .object({
    name: z.string().min(1).max(200),
    description: z.string().max(5000).default(''),
    docker_image: z.string().min(1).max(500),
    command: z.array(z.string().max(4096)).max(64).default([]),
    environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), z.string().max(32_768)).default({}),
    /** Text that lies in `/input/data`; the short way of one inline input. */
    input_data: z.string().max(JOB_LIMITS.inlineInputChars).nullable().default(null),
    inputs: z.array(JobInput).max(JOB_LIMITS.inputs).default([]),
    /** Folder whose files are the result; null = standard output is the result. */
    outputs: z.literal('/output').nullable().default(null),
    required_cpu: z.number().int().min(1).max(1024).default(1),
    /** Whole GiB; `memory_mb` says it finer. With neither: 512 MB. */
    required_memory: z.number().int().min(1).max(16_384).optional(),
    memory_mb: z.number().int().min(16).max(16_777_216).optional(),
    disk_gb: z.number().int().min(1).max(10_000).default(1),
    required_gpu: z.boolean().default(false),
    num_gpus: z.number().int().min(0).max(64).default(0),
    gpu_ram_mb: z.number().int().min(0).max(10_000_000).default(0),
    gpu_name: z.string().max(100).optional(),
    /** `cuda>=12`, `image:<ref>`, `runtime:gvisor`, or a word a host declares, e.g. `model:llama-3-8b`. */
    capabilities: z.array(z.string().regex(/^[a-z0-9][a-z0-9:._/@+<>=-]{0,199}$/i)).max(32).default([]),
    geolocation: z.string().regex(/^[A-Z]{2}$/).optional(),
    min_reputation: z.number().int().min(0).max(200).default(0),
    network: z.enum(['none', 'egress']).default('none'),
    timeout_s: z.number().int().min(1).max(86_400).default(JOB_DEFAULTS.timeoutS),
    redundancy: z.number().int().min(1).max(15).default(JOB_DEFAULTS.redundancy),
    consensus: z.number().int().min(1).max(15).default(JOB_DEFAULTS.consensus),
    /** Copies of one task that may ever be made; more than `redundancy` lets a dispute be settled. */
    max_copies: z.number().int().min(1).max(31).default(JOB_DEFAULTS.maxCopies),
    /** Different nodes that fail at one task before the job is blamed. Default: `redundancy`. */
    max_errors: z.number().int().min(1).max(31).optional(),
    /** The stricter of this and the market's own setting counts. */
    distinct_by: DistinctBy.optional(),
    compare: Compare.default({ kind: 'exact' }),
    tasks: TaskPlan.default({ kind: 'single' }),
    aggregate: Aggregate.default({ kind: 'none' }),
    /** The most this job may ever cost, all tasks and copies together. Default: enough for the cheapest nodes that fit. */
    max_price_usd: UsdInput.optional(),
  })
  .strict()
  .refine((job) => job.consensus <= job.redundancy, { path: ['consensus'], message: 'must not be more than redundancy' })
  .refine((job) => job.max_copies >= job.redundancy, { path: ['max_copies'], message: 'must not be less than redundancy' })
  .refine((job) => job.num_gpus === 0 || job.num_gpus >= 1, { path: ['num_gpus'], message: 'must be 0 or more' })
  .meta({ id: 'JobSubmission' });
export type JobSubmission = z.infer<typeof JobSubmission>;
export type JobSubmissionInput = z.input<typeof JobSubmission>;

/** Votes of one task: how many nodes gave which hash. */
export const Vote = z.object({ result_hash: Sha256Hex, count: z.number().int(), nodes: z.array(z.string()) });
export type Vote = z.infer<typeof Vote>;

/** Why something failed or waits, as a code and in words. */
export const JobFault = z.object({ code: z.string(), message: z.string() }).meta({ id: 'JobFault' });
export type JobFault = z.infer<typeof JobFault>;

export const JobProgress = z.object({
  tasks: z.number().int(),
  tasks_final: z.number().int(),
  tasks_failed: z.number().int(),
  executions_running: z.number().int(),
  executions_reported: z.number().int(),
});

export const JobView = z
  .object({
    id: Uuid,
    name: z.string(),
    description: z.string(),
    docker_image: z.string(),
    command: z.array(z.string()),
    environment: z.record(z.string(), z.string()),
    input_data: z.string().nullable(),
    inputs: z.array(z.object({ kind: z.string(), path: z.string(), sha256: z.string().nullable() })),
    outputs: z.string().nullable(),
    required_cpu: z.number().int(),
    required_memory: z.number().int(),
    memory_mb: z.number().int(),
    disk_gb: z.number().int(),
    required_gpu: z.boolean(),
    num_gpus: z.number().int(),
    capabilities: z.array(z.string()),
    network: z.enum(['none', 'egress']),
    timeout_s: z.number().int(),
    redundancy: z.number().int(),
    consensus: z.number().int(),
    max_copies: z.number().int(),
    distinct_by: DistinctBy,
    compare: Compare,
    tasks: TaskPlan,
    aggregate: Aggregate,
    status: JobStatus,
    submitted_by: Uuid,
    submitted_at: Timestamp,
    started_at: Timestamp.nullable(),
    completed_at: Timestamp.nullable(),
    /** Standard output of a single-task job, or the aggregate; null until there is one, or when it is a folder (see `/result`). */
    result: z.string().nullable(),
    result_encoding: z.enum(['utf8', 'base64']),
    result_hash: Sha256Hex.nullable(),
    error_message: z.string().nullable(),
    fault: JobFault.nullable(),
    /** What a job that does not run is waiting for; null when it waits for nothing. */
    waiting_for: JobFault.nullable(),
    progress: JobProgress,
    /** Micro-dollars / 1,000, rounded up: what was set aside at submission. */
    credits_required: z.number().int(),
    held_usd: UsdString,
    paid_usd: UsdString,
    refunded_usd: UsdString,
    max_price_usd: UsdString,
    actions: z.array(z.enum(['cancel', 'result', 'logs'])),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'Job' });
export type JobView = z.infer<typeof JobView>;

/** One row of a list of jobs. */
export const JobSummary = JobView.pick({
  id: true, name: true, docker_image: true, status: true, redundancy: true, consensus: true, submitted_at: true, started_at: true, completed_at: true,
  progress: true, fault: true, waiting_for: true, held_usd: true, paid_usd: true,
}).meta({ id: 'JobSummary' });
export type JobSummary = z.infer<typeof JobSummary>;

export const TaskView = z
  .object({
    id: Uuid,
    index: z.number().int(),
    kind: z.enum(['task', 'aggregate']),
    /** What makes this task different: axis values, or which part of the input. */
    label: z.string(),
    status: TaskStatus,
    votes: z.array(Vote),
    result: z.string().nullable(),
    result_encoding: z.enum(['utf8', 'base64']),
    result_hash: Sha256Hex.nullable(),
    fault: JobFault.nullable(),
    decided_at: Timestamp.nullable(),
  })
  .meta({ id: 'Task' });
export type TaskView = z.infer<typeof TaskView>;

export const ExecutionView = z
  .object({
    id: Uuid,
    job_id: Uuid,
    task_id: Uuid,
    task_index: z.number().int(),
    copy: z.number().int(),
    attempt: z.number().int(),
    node_id: Uuid.nullable(),
    node_name: z.string().nullable(),
    status: ExecutionStatus,
    verdict: ExecutionVerdict,
    started_at: Timestamp.nullable(),
    completed_at: Timestamp.nullable(),
    duration_ms: z.number().int().nullable(),
    result: z.string().nullable(),
    result_encoding: z.enum(['utf8', 'base64']),
    result_hash: Sha256Hex.nullable(),
    exit_code: z.number().int().nullable(),
    error_message: z.string().nullable(),
    fault: JobFault.nullable(),
    logs: z.string(),
    paid_usd: UsdString,
    reputation_delta: z.number().int(),
  })
  .meta({ id: 'Execution' });
export type ExecutionView = z.infer<typeof ExecutionView>;

/** One file of a result folder. */
export const ManifestFile = z.object({ path: RelativePath, size: z.number().int().nonnegative(), sha256: Sha256Hex });
/**
 * What a node says a result folder holds. `result_hash` is the SHA-256 of its RFC 8785 JSON; files sorted by path in
 * the order of UTF-16 code units. Standard output and error are logs then, not part of it.
 */
export const Manifest = z.object({ exit_code: z.number().int(), files: z.array(ManifestFile).max(JOB_LIMITS.outputFiles) }).meta({ id: 'Manifest' });
export type Manifest = z.infer<typeof Manifest>;

/** What may be downloaded of a job. Links are good for some minutes. */
export const JobResult = z
  .object({
    job_id: Uuid,
    status: JobStatus,
    /** Every task is final and the aggregate, if one was asked for, is made. */
    complete: z.boolean(),
    aggregate: z.object({ result: z.string().nullable(), encoding: z.enum(['utf8', 'base64']), sha256: Sha256Hex, size: z.number().int(), url: z.string().nullable() }).nullable(),
    parts: z.array(
      z.object({
        task_id: Uuid,
        index: z.number().int(),
        label: z.string(),
        result_hash: Sha256Hex,
        result: z.string().nullable(),
        encoding: z.enum(['utf8', 'base64']),
        manifest: Manifest.nullable(),
        /** A tar of the result folder. */
        archive_url: z.string().nullable(),
      }),
    ),
    next: z.string().nullable(),
    /** Results are deleted after this. */
    kept_until: Timestamp.nullable(),
  })
  .meta({ id: 'JobResult' });
export type JobResult = z.infer<typeof JobResult>;

/** What a job could cost and where it could run, before it is submitted. */
export const JobQuote = z
  .object({
    tasks: z.number().int(),
    /** Nodes and owners on which one copy could run now or later. */
    nodes_fitting: z.number().int(),
    owners_fitting: z.number().int(),
    nodes_free_now: z.number().int(),
    /** $/h of one copy at the dearest price that the hold covers. */
    dph_per_execution: UsdString,
    /** "You cannot be charged more than this." */
    max_charge_usd: UsdString,
    distinct_by: DistinctBy,
    can_start: z.boolean(),
    /** Why it would wait and what to do, when it would. */
    waiting_for: JobFault.nullable(),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'JobQuote' });
export type JobQuote = z.infer<typeof JobQuote>;

/** Credits of a node or account: micro-dollars / 1,000. */
export const CreditsView = z
  .object({
    owner: z.string(),
    kind: z.enum(['node', 'account']),
    credits: z.number(),
    earned_usd: UsdString,
    nodes: z.array(z.object({ node_id: Uuid, name: z.string(), credits: z.number(), executions_valid: z.number().int(), executions_invalid: z.number().int(), reputation: z.number().int() })),
    /** Newest first. */
    entries: z.array(z.object({ id: Uuid, event_type: z.string(), node_id: Uuid.nullable(), job_id: Uuid.nullable(), credits: z.number(), timestamp: Timestamp, hash: Sha256Hex.nullable() })),
  })
  .meta({ id: 'Credits' });
export type CreditsView = z.infer<typeof CreditsView>;

/** One line of the contributor wall. Owners who opted out are not on it. */
export const Contributor = z
  .object({ owner: z.string(), nodes: z.number().int(), executions_valid: z.number().int(), credits: z.number(), since: Timestamp })
  .meta({ id: 'Contributor' });
export type Contributor = z.infer<typeof Contributor>;
