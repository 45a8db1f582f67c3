import { Injectable } from '@nestjs/common';
import { Compare, JobInput } from '@muster/shared-types';
import { z } from 'zod';
import { HotDb } from '../hot-db.js';
import type { Need } from './need.rules.js';

/** What never changes of a job, as scheduler, dispatch and tally need it. */
export interface JobFacts {
  id: string;
  submittedBy: string;
  need: Need;
  /** Two jobs with the same one fit the same nodes. */
  fitKey: string;
  image: string;
  command: string[];
  environment: Record<string, string>;
  inputs: JobInput[];
  inputData: string | null;
  outputs: '/output' | null;
  runtime: 'default' | 'gvisor';
  timeoutS: number;
  distinctBy: 'owner' | 'node';
  redundancy: number;
  consensus: number;
  maxCopies: number;
  maxErrors: number;
  compare: Compare;
  rateCapMicroHour: bigint;
  heldMicro: bigint;
  tasksTotal: number;
  aggregate: { docker_image: string; command: string[] } | null;
}

const Strings = z.array(z.string()).catch([]);
const Env = z.record(z.string(), z.string()).catch({});
const Spec = z
  .object({
    inputs: z.array(JobInput).catch([]),
    outputs: z.literal('/output').nullable().catch(null),
    capabilities: Strings,
    gpu_ram_mb: z.number().catch(0),
    gpu_name: z.string().nullish().catch(null),
    geolocation: z.string().nullish().catch(null),
    network: z.enum(['none', 'egress']).catch('none'),
    compare: Compare.catch({ kind: 'exact' }),
    aggregate: z.object({ kind: z.string(), docker_image: z.string().optional(), command: z.array(z.string()).optional() }).nullish().catch(null),
  })
  .partial();

type Row = NonNullable<Awaited<ReturnType<HotDb['client']['job']['findUnique']>>>;

/** Jobs kept at hand: more than are ever open at once on a busy market, small enough to be nothing. */
const KEEP = 5_000;

/** What is fixed at submission, read once per job and replica. */
@Injectable()
export class JobBook {
  readonly #jobs = new Map<string, JobFacts>();

  /** Its own pool: it is asked while jobs are locked, for which requests may wait with all connections of the other one. */
  constructor(private readonly db: HotDb) {}

  /** The facts of these jobs; one that does not exist is left out. */
  async of(ids: readonly string[]): Promise<Map<string, JobFacts>> {
    const missing = [...new Set(ids)].filter((id) => !this.#jobs.has(id));
    if (missing.length > 0) for (const row of await this.db.client.job.findMany({ where: { id: { in: missing } } })) this.#keep(jobFacts(row));
    return new Map(ids.flatMap((id) => {
      const facts = this.#jobs.get(id);
      return facts ? [[id, facts] as const] : [];
    }));
  }

  #keep(facts: JobFacts): void {
    if (this.#jobs.size >= KEEP) for (const id of [...this.#jobs.keys()].slice(0, KEEP / 10)) this.#jobs.delete(id);
    this.#jobs.set(facts.id, facts);
  }
}

export function jobFacts(row: Row): JobFacts {
  const spec = Spec.catch({}).parse(row.spec);
  const capabilities = spec.capabilities ?? [];
  const need: Need = {
    cpuCores: row.requiredCpu,
    memoryMb: row.memoryMb,
    diskGb: row.diskGb,
    numGpus: row.numGpus,
    gpuRamMb: spec.gpu_ram_mb ?? 0,
    gpuName: spec.gpu_name ?? null,
    capabilities,
    geolocation: spec.geolocation ?? null,
    minReputation: row.minReputation,
    image: row.dockerImage,
    outputs: (spec.outputs ?? null) !== null,
    network: spec.network ?? 'none',
  };
  return {
    id: row.id,
    submittedBy: row.submittedBy,
    need,
    fitKey: JSON.stringify(need),
    image: row.dockerImage,
    command: Strings.parse(row.command),
    environment: Env.parse(row.environment),
    inputs: spec.inputs ?? [],
    inputData: row.inputData,
    outputs: spec.outputs ?? null,
    runtime: capabilities.includes('runtime:gvisor') ? 'gvisor' : 'default',
    timeoutS: row.timeoutS,
    distinctBy: row.distinctBy,
    redundancy: row.redundancy,
    consensus: row.consensus,
    maxCopies: row.maxCopies,
    maxErrors: row.maxErrors,
    compare: spec.compare ?? { kind: 'exact' },
    rateCapMicroHour: row.rateCapMicroHour,
    heldMicro: row.heldMicro,
    tasksTotal: row.tasksTotal,
    aggregate: spec.aggregate?.kind === 'container' ? { docker_image: spec.aggregate.docker_image ?? row.dockerImage, command: spec.aggregate.command ?? [] } : null,
  };
}
