import type { ExecutionSpec, TaskInput } from '@muster/shared-types';
import { z } from 'zod';
import type { JobFacts } from './job-book.js';

/** What a lease adds to a job to make one run of it. */
export interface Leased {
  id: string;
  attempt: number;
  taskIndex: number;
  kind: string;
  environment: unknown;
  gpuUuids: readonly string[];
  inputs: TaskInput[];
  uploadUrl: string | null;
  leaseS: number;
}

const Env = z.record(z.string(), z.string()).catch({});

/** The whole order for one run, as it goes to the node. */
export function executionSpec(job: JobFacts, leased: Leased): ExecutionSpec {
  const program = leased.kind === 'aggregate' && job.aggregate ? job.aggregate : { docker_image: job.image, command: job.command };
  return {
    execution_id: leased.id,
    attempt: leased.attempt,
    job_id: job.id,
    task_index: leased.taskIndex,
    docker_image: program.docker_image,
    command: program.command,
    environment: { ...job.environment, ...Env.parse(leased.environment) },
    inputs: leased.inputs,
    outputs: job.outputs,
    cpu_cores: job.need.cpuCores,
    memory_mb: job.need.memoryMb,
    disk_gb: job.need.diskGb,
    gpu_uuids: [...leased.gpuUuids],
    network: job.need.network,
    runtime: job.runtime,
    timeout_s: job.timeoutS,
    lease_s: leased.leaseS,
    upload_url: leased.uploadUrl,
  };
}

/** A frame carries this many orders at most, and about this many characters of input. */
const FRAME_CHARS = 2_000_000;

/** Orders in frames that an agent takes in one piece. */
export function frames(specs: readonly ExecutionSpec[], most: number): ExecutionSpec[][] {
  const all: ExecutionSpec[][] = [];
  let chars = Infinity;
  for (const spec of specs) {
    const own = sizeOf(spec);
    const last = all.at(-1);
    if (!last || last.length >= most || chars + own > FRAME_CHARS) {
      all.push([spec]);
      chars = own;
    } else {
      last.push(spec);
      chars += own;
    }
  }
  return all;
}

const sizeOf = (spec: ExecutionSpec): number => 500 + spec.inputs.reduce((sum, input) => sum + (input.kind === 'inline' ? input.data.length : input.url.length), 0);
