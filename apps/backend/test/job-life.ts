import { sha256Hex } from '@muster/proof';
import type { TaskStatus } from '@muster/shared-types';
import { holdPerCopy } from '../src/jobs/price.rules.js';
import type { JobFacts } from '../src/jobs/schedule/job-book.js';
import { effectsOf, type Effects, type Item } from '../src/jobs/tally/effects.rules.js';
import type { RunReport } from '../src/jobs/tally/report.rules.js';
import type { RunRow } from '../src/jobs/tally/tally-read.store.js';
import type { Policy } from '../src/jobs/tally/tally.rules.js';

export const SUBMITTER = 'submitter';
const RATE_CAP = 36_000n;
const START = Date.UTC(2026, 0, 1);
export type Answer = { hash: string } | { fault: 'job' | 'node' };

interface TaskState {
  id: string;
  index: number;
  status: TaskStatus;
  canonical: string | null;
  hash: string | null;
}

/** One job in memory: leases by chance, and everything that `effectsOf` says done to its rows as the statements of the tally do it. */
export class JobLife {
  readonly rows: RunRow[] = [];
  readonly tasks: TaskState[];
  readonly facts: JobFacts;
  readonly pays: { executionId: string; amountMicro: bigint }[] = [];
  readonly scores: Effects['reputation'] = [];
  readonly nodes = new Map<string, { ran: number; valid: number; invalid: number }>();
  #ids = 0;
  #now = START;

  constructor(
    readonly policy: Policy,
    tasks: number,
    /** Each with one node; the submitter is one of them. */
    readonly owners: readonly string[],
  ) {
    this.facts = factsOf(policy, tasks);
    this.tasks = Array.from({ length: tasks }, (_, index) => ({ id: `task-${index}`, index, status: 'open', canonical: null, hash: null }));
    for (const task of this.tasks) for (let copy = 0; copy < policy.redundancy; copy += 1) this.#add(task.id, { copy, attempt: 1, purpose: 'copy' });
  }

  of(...statuses: RunRow['status'][]): RunRow[] {
    return this.rows.filter((row) => statuses.includes(row.status));
  }

  task(id: string): TaskState {
    const found = this.tasks.find((task) => task.id === id);
    if (!found) throw new Error(`no task ${id}`);
    return found;
  }

  successor(of: RunRow): RunRow | undefined {
    return this.rows.find((row) => row.task === of.task && row.purpose === of.purpose && row.copy === of.copy && row.attempt > of.attempt);
  }

  /** To an owner who holds no copy of the task; false when there is none. */
  lease(row: RunRow, chance: number): boolean {
    const held = new Set(this.rows.filter((one) => one.task === row.task && one.purpose === 'copy' && holdsKey(one)).map((one) => one.key));
    const free = row.node === null ? this.owners.filter((owner) => !held.has(owner)) : [row.owner ?? ''];
    const owner = free[chance % free.length];
    if (owner === undefined) return false;
    Object.assign(row, { status: 'leased', owner, node: `node of ${owner}`, key: owner, rate: RATE_CAP, started: this.#tick() });
    return true;
  }

  report(row: RunRow, answer: Answer, over: Partial<RunReport> = {}): Item {
    const fault = 'fault' in answer ? { code: answer.fault === 'job' ? 'exit_code' : 'engine_down', blame: answer.fault, message: 'It failed' } : null;
    return {
      kind: 'report',
      report: {
        nodeId: row.node ?? '', executionId: row.id, attempt: row.attempt, resultHash: 'hash' in answer ? sha256Hex(answer.hash) : null, bytes: null, manifest: null, fault,
        exitCode: fault ? 1 : 0, logs: '', durationMs: 900, imageDigest: null, batchSeq: null, refused: null, ...over,
      },
    };
  }

  loss(row: RunRow): Item {
    return { kind: 'loss', loss: { executionId: row.id, attempt: row.attempt, reason: 'silent' } };
  }

  /** One transaction of the tally. */
  apply(items: readonly Item[]): Effects {
    const named = new Set(items.map((item) => (item.kind === 'report' ? item.report.executionId : item.loss.executionId)));
    const touched = new Set(this.rows.filter((row) => named.has(row.id)).map((row) => row.task));
    const read = this.rows.filter((row) => touched.has(row.task)).map((row) => {
      const { status, canonical } = this.task(row.task);
      return { ...row, task_status: status, canonical };
    });
    const effects = effectsOf(items, read, new Map([[this.facts.id, this.facts]]), this.#tick());
    this.#store(effects);
    return effects;
  }

  #store(effects: Effects): void {
    for (const run of effects.ended) Object.assign(this.#row(run.id), { status: run.status, verdict: run.verdict, hash: run.hash, blame: run.faultBlame, fault: run.faultCode, message: run.errorMessage, duration: run.durationMs, completed: new Date(this.#now) });
    for (const { id, verdict } of effects.verdicts) Object.assign(this.#row(id), { verdict });
    for (const { id, status, canonicalId, resultHash } of effects.tasks) Object.assign(this.task(id), { status, canonical: canonicalId, hash: resultHash });
    for (const row of this.of('ready')) if (effects.dropped.includes(row.task)) row.status = 'unneeded';
    for (const { taskId, nodeId, ownerId, ...added } of effects.added) this.#add(taskId, { ...added, node: nodeId, owner: ownerId });
    for (const { pays } of effects.pays) this.pays.push(...pays);
    this.scores.push(...effects.reputation);
    for (const { id, ran, valid, invalid } of effects.nodes) {
      const known = this.nodes.get(id) ?? { ran: 0, valid: 0, invalid: 0 };
      this.nodes.set(id, { ran: known.ran + ran, valid: known.valid + valid, invalid: known.invalid + invalid });
    }
  }

  #row(id: string): RunRow {
    const found = this.rows.find((row) => row.id === id);
    if (!found) throw new Error(`no execution ${id}`);
    return found;
  }

  #add(task: string, over: Partial<RunRow>): void {
    this.#ids += 1;
    this.rows.push({
      id: `run-${this.#ids}`, job: this.facts.id, task, copy: 0, attempt: 1, purpose: 'copy', node: null, owner: null, key: null, status: 'ready', verdict: 'none', hash: null, bytes: null, blame: null,
      fault: null, message: null, started: null, completed: null, duration: null, rate: 0n, task_status: 'open', canonical: null, task_index: this.task(task).index, ...over,
    });
  }

  #tick(): Date {
    this.#now += 1_000;
    return new Date(this.#now);
  }
}

/** As the unique index `execution_one_per_distinct` says. */
const holdsKey = (row: RunRow): boolean => row.status === 'leased' || row.status === 'running' || row.status === 'reported' || (row.status === 'errored' && row.blame === 'job');

function factsOf(policy: Policy, tasks: number): JobFacts {
  const need = { cpuCores: 1, memoryMb: 512, diskGb: 1, numGpus: 0, gpuRamMb: 0, gpuName: null, capabilities: [], geolocation: null, minReputation: 0, image: 'workspace', outputs: false, network: 'none' as const };
  return {
    id: 'job', submittedBy: SUBMITTER, need, fitKey: '', image: 'workspace', command: [], environment: {}, inputs: [], inputData: null, outputs: null, runtime: 'default', timeoutS: 300, distinctBy: 'owner',
    ...policy, rateCapMicroHour: RATE_CAP, heldMicro: BigInt(tasks * policy.maxCopies) * holdPerCopy(RATE_CAP, 300), tasksTotal: tasks, aggregate: null,
  };
}
