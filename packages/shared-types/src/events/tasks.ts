import { z } from 'zod';
import { JobInput, Manifest, Sha256Hex } from '../entities/job.js';
import { JOB_LIMITS } from '../numbers.js';
import { Timestamp, Uuid } from '../units.js';

/** An input as a node gets it: inline, or a URL to fetch (uploads and s3 come as signed URLs). */
export const TaskInput = z.union([
  JobInput.options[0],
  z.object({ kind: z.literal('fetch'), path: z.string(), url: z.string().max(4000), sha256: Sha256Hex, size: z.number().int().nullable() }),
]);
export type TaskInput = z.infer<typeof TaskInput>;

/** One run of one task on one node. `attempt` is the fencing number: a report with another one is never counted. */
export const ExecutionSpec = z
  .object({
    execution_id: Uuid,
    attempt: z.number().int().positive(),
    job_id: Uuid,
    task_index: z.number().int(),
    docker_image: z.string(),
    command: z.array(z.string()),
    environment: z.record(z.string(), z.string()),
    inputs: z.array(TaskInput),
    outputs: z.literal('/output').nullable(),
    cpu_cores: z.number().int().positive(),
    memory_mb: z.number().int().positive(),
    disk_gb: z.number().int().positive(),
    gpu_uuids: z.array(z.string()),
    network: z.enum(['none', 'egress']),
    runtime: z.enum(['default', 'gvisor']),
    timeout_s: z.number().int().positive(),
    /** Without a heartbeat that names the execution for this long, its lease ends. */
    lease_s: z.number().int().positive(),
    /** Where the archive of `/output` goes (HTTP PUT); null without outputs. */
    upload_url: z.string().max(4000).nullable(),
  })
  .meta({ id: 'ExecutionSpec' });
export type ExecutionSpec = z.infer<typeof ExecutionSpec>;

/** `job`: the container's own doing, would happen anywhere. `node`: this machine's doing; the copy goes elsewhere. */
export const ExecutionFault = z.object({
  code: z.enum([
    'exit_code',
    'timeout',
    'out_of_memory',
    'disk_full',
    'output_too_large',
    'bad_output',
    'image_missing',
    'image_too_large',
    'bad_image',
    'input_failed',
    'input_hash',
    'cancelled',
    'upload_failed',
    'engine_down',
    'capability_missing',
    'internal',
  ]),
  blame: z.enum(['job', 'node']),
  message: z.string().max(2000),
});
export type ExecutionFault = z.infer<typeof ExecutionFault>;

/** What one execution came to. Exactly one of `result_hash` (done) and `fault` (errored) is there. */
export const ExecutionReport = z.object({
  execution_id: Uuid,
  attempt: z.number().int().positive(),
  result_hash: Sha256Hex.nullable(),
  /** Standard output, when that is the result. Its bytes hash to `result_hash`; the server checks. */
  result: z.string().max(JOB_LIMITS.resultChars).nullable(),
  result_encoding: z.enum(['utf8', 'base64']).default('utf8'),
  /** With declared outputs. */
  manifest: Manifest.nullable().default(null),
  exit_code: z.number().int().nullable(),
  fault: ExecutionFault.nullable(),
  /** Tail of standard output and error. */
  logs: z.string().max(JOB_LIMITS.logChars),
  /** Wall time of the container, milliseconds. */
  duration_ms: z.number().int().nonnegative(),
  image_digest: z.string().max(200).nullable().default(null),
});
export type ExecutionReport = z.infer<typeof ExecutionReport>;

/**
 * Reports of a node, signed once: Ed25519 over `resultsStatement`. `root` is the RFC 6962 Merkle root over the leaves
 * `JCS(reportLeaf(report))` in order; `seq` grows by one per batch and counts once.
 */
export const TaskResults = z.object({
  v: z.literal(1),
  node_id: Uuid,
  seq: z.number().int().positive(),
  root: Sha256Hex,
  count: z.number().int().min(1).max(JOB_LIMITS.reportsPerBatch),
  signature: z.string().max(200),
  results: z.array(ExecutionReport).min(1).max(JOB_LIMITS.reportsPerBatch),
});
export type TaskResults = z.infer<typeof TaskResults>;

/** What of a report is signed. */
export const reportLeaf = (report: ExecutionReport) => ({
  execution_id: report.execution_id,
  attempt: report.attempt,
  result_hash: report.result_hash,
  fault: report.fault?.code ?? null,
  exit_code: report.exit_code,
});
/** The object whose RFC 8785 JSON a node signs, after the domain prefix `muster-results-v1\n`. */
export const resultsStatement = (batch: { v: 1; node_id: string; seq: number; root: string; count: number }) => ({
  v: batch.v,
  node: batch.node_id,
  seq: batch.seq,
  root: batch.root,
  count: batch.count,
});
export const RESULTS_DOMAIN = 'muster-results-v1\n';

/** Per report of a batch: `counted`, or why it was only stored. */
export const ReportOutcome = z.object({
  execution_id: Uuid,
  outcome: z.enum(['counted', 'duplicate', 'stale', 'unknown', 'refused']),
  detail: z.string().max(500).optional(),
});
export type ReportOutcome = z.infer<typeof ReportOutcome>;

/** How far a leased execution is. Shown to people; decides nothing. */
export const TaskUpdate = z.object({
  updates: z
    .array(
      z.object({
        execution_id: Uuid,
        attempt: z.number().int().positive(),
        phase: z.enum(['accepted', 'pulling', 'fetching', 'running', 'uploading', 'refused']),
        /** Bytes done and to do while pulling or fetching. */
        progress: z.object({ current_bytes: z.number(), total_bytes: z.number() }).optional(),
        started_at: Timestamp.optional(),
        detail: z.string().max(500).optional(),
      }),
    )
    .min(1)
    .max(256),
});
export type TaskUpdate = z.infer<typeof TaskUpdate>;

export const CancelTasks = z.object({
  executions: z.array(z.object({ execution_id: Uuid, attempt: z.number().int().positive(), reason: z.string().max(200) })).min(1).max(1000),
});

/** In a heartbeat: what this node is working on; extends the leases. */
export const ExecutionBeat = z.object({ execution_id: Uuid, attempt: z.number().int().positive() });
