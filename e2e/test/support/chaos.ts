import { randomUUID } from 'node:crypto';
import type { DemoAccount } from '@muster/cli/demo/jobs-market';
import { RefusedError, UnreachableError } from '@muster/client';
import type { JobView } from '@muster/shared-types';
import pg from 'pg';
import { type Blow, type ChaosPlan, type PlannedJob, type Silence, type Victim } from './chaos-plan.js';
import type { Market } from './market.js';
import { until } from './until.js';

const AT_ONCE = 8;
const LOOK_MS = 300;
const RETRY_MS = 200;
/** For one call, while the market comes back from a blow. */
const ANSWERED_MS = 120_000;
/** Jobs have no limit of their own here: with 30 s leases, a minute of grace after each blow and waits of nodes, one may take this long. */
const ENDED_MS = 15 * 60_000;
/** A lease is 30 s; then its copy must have been taken from whoever is silent. */
const SILENT_MS = 45_000;

const TERMINAL = new Set(['completed', 'failed', 'cancelled']);

export interface ChaosFigures {
  jobs: number;
  seconds: number;
  blows: Record<Victim['part'], number>;
  silences: number;
}

/** Submits the jobs of a plan, a few at once, while its blows fall. */
export class Chaos {
  readonly ended = new Map<PlannedJob, JobView>();
  readonly #blows: Record<Victim['part'], number> = { backend: 0, agent: 0, dockerd: 0 };
  #submitted = 0;
  #failure: Error | undefined;

  constructor(
    private readonly market: Market,
    private readonly submitter: DemoAccount,
    private readonly plan: ChaosPlan,
  ) {}

  /** Resolves when every job has ended and every blow has fallen. */
  async run(): Promise<ChaosFigures> {
    const started = performance.now();
    const waiting = [...this.plan.jobs];
    const lane = async (): Promise<void> => {
      for (let job = waiting.shift(); job && this.#failure === undefined; job = waiting.shift()) await this.#through(job);
    };
    const lanes = Array.from({ length: AT_ONCE }, () => this.#orStop(lane));
    await Promise.all([...lanes, this.#orStop(() => this.#strike()), this.#orStop(() => this.#silence())]);
    if (this.#failure !== undefined) throw this.#failure;
    return { jobs: this.ended.size, seconds: Math.round((performance.now() - started) / 100) / 10, blows: this.#blows, silences: this.plan.silences.length };
  }

  /** The first failure ends everything else. */
  async #orStop(work: () => Promise<void>): Promise<void> {
    await work().catch((error: unknown) => (this.#failure ??= error instanceof Error ? error : new Error(String(error))));
  }

  async #through(planned: PlannedJob): Promise<void> {
    const key = randomUUID();
    const { id } = await answered(() => this.submitter.client.call('createJob', { idempotencyKey: key, body: planned.body }));
    this.#submitted += 1;
    if (planned.cancelAfterMs !== undefined) await this.#cancel(id, planned.cancelAfterMs);
    this.ended.set(planned, await this.#end(id));
  }

  async #cancel(id: string, afterMs: number): Promise<void> {
    await sleep(afterMs);
    await answered(() => this.submitter.client.call('cancelJob', { params: { job_id: id } }).catch(ignoreEnded));
  }

  async #end(id: string): Promise<JobView> {
    const deadline = performance.now() + ENDED_MS;
    for (;;) {
      const job = await answered(() => this.submitter.client.call('getJob', { params: { job_id: id } }));
      if (TERMINAL.has(job.status)) return job;
      if (this.#failure !== undefined || performance.now() > deadline) throw new Error(`the job ${job.name} has not ended: ${JSON.stringify(job)}`);
      await sleep(LOOK_MS);
    }
  }

  async #strike(): Promise<void> {
    for (const blow of this.plan.blows) await this.#blow(blow);
  }

  async #blow({ afterJob, delayMs, victim }: Blow): Promise<void> {
    if (!(await this.#reached(afterJob))) return;
    await sleep(delayMs);
    await until(`${victim.part} to be there to be killed`, async () => process.kill(await this.#pidOf(victim), 'SIGKILL'));
    this.#blows[victim.part] += 1;
  }

  async #pidOf(victim: Victim): Promise<number> {
    if (victim.part === 'dockerd') return this.market.dockerdPid(victim.node);
    return (await this.market.part(victim.part === 'backend' || victim.node === 1 ? victim.part : `agent-${victim.node}`)).pid;
  }

  async #silence(): Promise<void> {
    for (const silence of this.plan.silences) await this.#silent(silence);
  }

  async #silent({ afterJob, node }: Silence): Promise<void> {
    if (!(await this.#reached(afterJob))) return;
    const { pid } = await this.market.part(node === 1 ? 'agent' : `agent-${node}`);
    await this.market.whileStopped(pid, () => sleep(SILENT_MS));
  }

  /** False when the run has failed before. */
  async #reached(job: number): Promise<boolean> {
    while (this.#submitted < job && this.#failure === undefined) await sleep(LOOK_MS);
    return this.#failure === undefined;
  }
}

/** Nothing runs, nothing is held, nothing is taken: whatever is asked then is asked of a market at rest. */
export async function untilAtRest(db: pg.Client): Promise<void> {
  await until('every copy to have ended, every escrow to be empty and every node to be free', async () => {
    const { rows } = await db.query<{ open: boolean }>(`
      SELECT EXISTS (SELECT 1 FROM "JobExecution" WHERE status IN ('ready', 'leased', 'running'))
        OR EXISTS (SELECT 1 FROM "LedgerAccount" WHERE kind = 'escrow' AND balance <> 0)
        OR EXISTS (SELECT 1 FROM "HostNode" WHERE "cpuUsed" + "ramMbUsed" + "diskGbUsed" > 0) AS open`);
    return rows[0]?.open === false;
  }, ENDED_MS);
}

/** Asks again until the market answers: the same key makes the same job. */
async function answered<T>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + ANSWERED_MS;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const passes = error instanceof UnreachableError || (error instanceof RefusedError && error.problem.retryable);
      if (!passes || performance.now() > deadline) throw error;
      await sleep(RETRY_MS);
    }
  }
}

/** A job may end by itself before it is cancelled, or the answer to its cancelling was lost. */
function ignoreEnded(error: unknown): void {
  if (!(error instanceof RefusedError && error.problem.code === 'action_not_allowed')) throw error;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
