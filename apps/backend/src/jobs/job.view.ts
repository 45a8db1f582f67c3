import { formatUsd, type JobInput, type JobSummary, type JobView } from '@muster/shared-types';
import type { Job } from '@muster/prisma';
import { z } from 'zod';
import { JobSpec } from './job-spec.js';
import { isTerminal } from './job-status.rules.js';
import type { JobCounts, SummaryRow } from './jobs.store.js';
import { faultOf, textOrBase64 } from './shown.rules.js';
import { DISTINCT_NODES_ONLY, ONE_IS_BELIEVED } from './submit/fit.rules.js';

const Strings = z.array(z.string());
const Env = z.record(z.string(), z.string());

export function jobView(job: Job, counts: JobCounts): JobView {
  const spec = JobSpec.parse(job.spec);
  const shown = job.result === null && counts.bytes ? textOrBase64(counts.bytes) : { result: job.result, encoding: 'utf8' as const };
  return {
    ...summaryOf(job, counts),
    description: job.description,
    command: Strings.parse(job.command),
    environment: Env.parse(job.environment),
    input_data: job.inputData,
    inputs: spec.inputs.map(inputView),
    outputs: spec.outputs,
    required_cpu: job.requiredCpu,
    required_memory: job.requiredMemory,
    memory_mb: job.memoryMb,
    disk_gb: job.diskGb,
    required_gpu: job.requiredGpu,
    num_gpus: job.numGpus,
    capabilities: spec.capabilities,
    network: spec.network,
    timeout_s: job.timeoutS,
    max_copies: job.maxCopies,
    distinct_by: job.distinctBy,
    compare: spec.compare,
    tasks: spec.tasks,
    aggregate: spec.aggregate,
    submitted_by: job.submittedBy,
    result: shown.result,
    result_encoding: shown.encoding,
    result_hash: job.resultHash,
    error_message: job.errorMessage,
    credits_required: Number(job.creditsRequired),
    refunded_usd: formatUsd(job.refundedMicro),
    max_price_usd: formatUsd(job.heldMicro),
    actions: actionsOf(job),
    warnings: [...(counts.extraWarnings ?? warningsOf(job))],
  };
}

export function summaryOf(job: SummaryRow, counts: JobCounts): JobSummary {
  return {
    id: job.id,
    name: job.name,
    docker_image: job.dockerImage,
    status: job.status,
    redundancy: job.redundancy,
    consensus: job.consensus,
    submitted_at: job.submittedAt.toISOString(),
    started_at: job.startedAt?.toISOString() ?? null,
    completed_at: job.completedAt?.toISOString() ?? null,
    progress: { tasks: job.tasksTotal, tasks_final: job.tasksFinal, tasks_failed: job.tasksFailed, executions_running: counts.running, executions_reported: counts.reported },
    fault: faultOf(job.faultCode, job.errorMessage),
    waiting_for: isTerminal(job.status) ? null : faultOf(job.waitingCode, job.waitingMessage),
    held_usd: formatUsd(job.heldMicro),
    paid_usd: formatUsd(job.paidMicro),
  };
}

const inputView = (input: JobInput): JobView['inputs'][number] => ({ kind: input.kind, path: input.path, sha256: 'sha256' in input ? input.sha256 : null });

function actionsOf(job: Job): JobView['actions'] {
  return [
    ...(isTerminal(job.status) ? [] : (['cancel'] as const)),
    ...(job.tasksFinal > 0 ? (['result'] as const) : []),
    ...(job.startedAt === null ? [] : (['logs'] as const)),
  ];
}

/** What is true of the policy of a job whoever is there to run it. */
function warningsOf(job: Pick<Job, 'distinctBy' | 'consensus'>): string[] {
  return [
    ...(job.distinctBy === 'node' ? [DISTINCT_NODES_ONLY] : []),
    ...(job.consensus === 1 ? [ONE_IS_BELIEVED] : []),
  ];
}

