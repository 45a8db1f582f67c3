import { z } from 'zod';
import { JobStatus, TaskStatus } from '../enums.js';
import { Contributor, CreditsView, ExecutionView, JobQuote, JobResult, JobSubmission, JobSummary, JobView, Sha256Hex, TaskView } from '../entities/job.js';
import { ExecutionFault, ExecutionSpec, ReportOutcome } from '../events/tasks.js';
import { JOB_LIMITS } from '../numbers.js';
import { Timestamp, Uuid } from '../units.js';
import { operation, pageOf, pageQuery } from './operation.js';

const jobParams = z.object({ job_id: Uuid });

export const jobOperations = {
  quoteJob: operation({
    method: 'POST', path: '/api/v1/jobs/quote', tag: 'jobs', summary: 'What it could cost at most, and whether enough nodes fit',
    auth: { kind: 'user', scope: 'read' }, owner: 'none', body: JobSubmission,
    status: 200, response: JobQuote, problems: [],
  }),
  createJob: operation({
    method: 'POST', path: '/api/v1/jobs', tag: 'jobs', summary: 'Submit: sets the most it can cost aside, makes its tasks', idempotent: true,
    auth: { kind: 'user', scope: 'rent' }, owner: 'self', body: JobSubmission,
    status: 201, response: JobView, problems: ['insufficient_funds', 'hold_too_small', 'not_found'],
  }),
  listJobs: operation({
    method: 'GET', path: '/api/v1/jobs', tag: 'jobs', summary: 'Jobs of this account, newest first',
    auth: { kind: 'user', scope: 'read' }, owner: 'self', query: z.object({ ...pageQuery, status: JobStatus.optional(), name: z.string().max(200).optional() }),
    status: 200, response: pageOf(JobSummary), problems: [],
  }),
  getJob: operation({
    method: 'GET', path: '/api/v1/jobs/{job_id}', tag: 'jobs', summary: 'One job, with its state, votes and money',
    auth: { kind: 'user', scope: 'read' }, owner: 'job', params: jobParams,
    status: 200, response: JobView, problems: ['not_found'],
  }),
  listExecutions: operation({
    method: 'GET', path: '/api/v1/jobs/{job_id}/executions', tag: 'jobs', summary: 'Every run of it, with logs and verdicts',
    auth: { kind: 'user', scope: 'read' }, owner: 'job', params: jobParams, query: z.object({ ...pageQuery, task: z.coerce.number().int().min(0).optional() }),
    status: 200, response: pageOf(ExecutionView), problems: ['not_found'],
  }),
  listTasks: operation({
    method: 'GET', path: '/api/v1/jobs/{job_id}/tasks', tag: 'jobs', summary: 'Its tasks with their votes; final ones carry their result',
    auth: { kind: 'user', scope: 'read' }, owner: 'job', params: jobParams, query: z.object({ ...pageQuery, status: TaskStatus.optional() }),
    status: 200, response: pageOf(TaskView), problems: ['not_found'],
  }),
  getJobResult: operation({
    method: 'GET', path: '/api/v1/jobs/{job_id}/result', tag: 'jobs', summary: 'What is final of it so far, and the aggregate when it is made',
    auth: { kind: 'user', scope: 'read' }, owner: 'job', params: jobParams, query: z.object({ ...pageQuery }),
    status: 200, response: JobResult, problems: ['not_found', 'result_expired'],
  }),
  cancelJob: operation({
    method: 'POST', path: '/api/v1/jobs/{job_id}/cancel', tag: 'jobs', summary: 'Stop it; what was not used is refunded at once',
    auth: { kind: 'user', scope: 'rent' }, owner: 'job', params: jobParams,
    status: 200, response: JobView, problems: ['not_found', 'action_not_allowed'],
  }),
  createUpload: operation({
    method: 'POST', path: '/api/v1/uploads', tag: 'jobs', summary: 'A link to upload one input file to; name it in a job by its id',
    auth: { kind: 'user', scope: 'rent' }, owner: 'self',
    body: z.object({ size: z.number().int().min(0).max(JOB_LIMITS.inputBytes), sha256: Sha256Hex }).strict(),
    status: 201,
    response: z.object({
      upload_id: Uuid,
      put_url: z.string(),
      /** To be sent with the PUT. */
      put_headers: z.record(z.string(), z.string()),
      expires_at: Timestamp,
    }).meta({ id: 'Upload' }),
    problems: ['payload_too_large'],
  }),
  registerNode: operation({
    method: 'POST', path: '/api/v1/nodes/register', tag: 'worker', summary: 'Register a machine that only speaks HTTP and runs executions by itself; the same name again gives the same node',
    auth: { kind: 'host' }, owner: 'self',
    body: z.object({
      name: z.string().min(1).max(100),
      cpu_cores: z.number().int().min(1).max(4096),
      memory_mb: z.number().int().min(16).max(100_000_000),
      disk_gb: z.number().int().min(1).max(1_000_000).default(10),
      cpu_name: z.string().max(200).default('unknown'),
      geolocation: z.string().regex(/^[A-Z]{2}$/).optional(),
      region: z.string().max(100).optional(),
      /** Words a job may ask for. `image:<ref>` lines say which images it can run; without one it is offered every image. */
      capabilities: z.array(z.string().max(200)).max(200).default([]),
      /** Raw Ed25519 public key, base64url. With one, every result must be signed. */
      public_key: z.string().regex(/^[A-Za-z0-9_-]{43}$/).optional(),
    }),
    status: 201,
    response: z.object({ node_id: Uuid, heartbeat_interval_s: z.number().int(), poll_interval_s: z.number().int(), lease_s: z.number().int() }).meta({ id: 'RegisteredNode' }),
    problems: ['node_key_taken', 'action_not_allowed'],
  }),
  pendingJobs: operation({
    method: 'GET', path: '/api/v1/nodes/{node_id}/pending-jobs', tag: 'worker', summary: 'Take work: executions are leased to the node with this answer',
    auth: { kind: 'host' }, owner: 'node', params: z.object({ node_id: Uuid }), query: z.object({ limit: z.coerce.number().int().min(1).max(50).default(1) }),
    status: 200, response: z.object({ items: z.array(ExecutionSpec) }), problems: ['not_found', 'action_not_allowed'],
  }),
  reportResult: operation({
    method: 'POST', path: '/api/v1/worker/result', tag: 'worker', summary: 'Hand in what one execution came to; the same again changes nothing',
    auth: { kind: 'host' }, owner: 'node',
    body: z.object({
      execution_id: Uuid,
      node_id: Uuid,
      /** Standard output (or null with an `error`). */
      result: z.string().max(JOB_LIMITS.resultChars).nullable(),
      result_encoding: z.enum(['utf8', 'base64']).default('utf8'),
      result_hash: Sha256Hex.nullable(),
      logs: z.string().max(JOB_LIMITS.logChars).default(''),
      /** As it came with the execution. Left out: the present one, as sources of this contract had none. */
      attempt: z.number().int().positive().optional(),
      exit_code: z.number().int().nullable().default(null),
      duration_ms: z.number().int().nonnegative().default(0),
      error: ExecutionFault.nullable().default(null),
      /** Ed25519 over `workerStatement`, base64url; needed when the node registered a public key. */
      signature: z.string().max(200).optional(),
    }),
    status: 200, response: ReportOutcome, problems: ['not_found', 'bad_result', 'bad_signature', 'stale_message'],
  }),
  getCredits: operation({
    method: 'GET', path: '/api/v1/credits/{owner}', tag: 'jobs', summary: 'Credits of an account or node of this account (`me`, an account id or a node id)',
    auth: { kind: 'user', scope: 'read' }, owner: 'self', params: z.object({ owner: z.union([z.literal('me'), Uuid]) }),
    status: 200, response: CreditsView, problems: ['not_found'],
  }),
  listContributors: operation({
    method: 'GET', path: '/api/v1/contributors', tag: 'jobs', summary: 'Who computed for others, most first',
    auth: { kind: 'public' }, owner: 'none', query: z.object({ ...pageQuery }),
    status: 200, response: pageOf(Contributor), problems: [],
  }),
  setWall: operation({
    method: 'PATCH', path: '/api/v1/contributors/me', tag: 'jobs', summary: 'Whether, and under which name, this account is on the contributor wall',
    auth: { kind: 'user', scope: 'account' }, owner: 'self',
    body: z.object({ shown: z.boolean(), name: z.string().min(1).max(60).optional() }).strict(),
    status: 200, response: z.object({ shown: z.boolean(), name: z.string() }), problems: [],
  }),
} as const;

/** The text that an HTTP worker with a key signs for one result. */
export const workerStatement = (report: { execution_id: string; attempt: number; result_hash: string | null }): string =>
  `muster-worker-result-v1\n${report.execution_id}\n${report.attempt}\n${report.result_hash ?? ''}`;
