import { REPUTATION, type ExecutionVerdict } from '@muster/shared-types';
import { payTransfers, type ExecutionPay, type PayTransfer } from '../pay.rules.js';
import { groupBy } from '../group.rules.js';
import { executionPay } from '../price.rules.js';
import type { JobFacts } from '../schedule/job-book.js';
import type { Outcome, RunLoss, RunReport } from './report.rules.js';
import type { RunRow } from './tally-read.store.js';
import { tally, type Decision, type Run } from './tally.rules.js';
import type { EndedRun, JobChange, NodeChange, Paid, RunToAdd, TaskChange } from './tally-write.store.js';

export type Item = { kind: 'report'; report: RunReport & { refused: string | null } } | { kind: 'loss'; loss: RunLoss };

/** Everything that a batch of reports changes. */
export interface Effects {
  /** Per item, in its order. */
  outcomes: { outcome: Outcome; detail?: string }[];
  ended: EndedRun[];
  verdicts: { id: string; verdict: ExecutionVerdict; reputation: number; paid: Paid | null }[];
  tasks: TaskChange[];
  /** Tasks whose waiting copies nobody needs. */
  dropped: string[];
  added: RunToAdd[];
  nodes: NodeChange[];
  reputation: { nodeId: string; executionId: string; delta: number; reason: string }[];
  pays: PayTransfer[];
  jobs: JobChange[];
  decided: { jobId: string; taskId: string; index: number; status: string; resultHash: string | null }[];
  /** For the form of nodes: their own errors, and valid runs with how long others took. */
  nodeErrors: string[];
  validRuns: { nodeId: string; relative: number | undefined }[];
  /** Executions of jobs with devices that are over. */
  devices: string[];
}

interface Live {
  row: RunRow;
  run: Run;
  ended: EndedRun | undefined;
}

/**
 * What a batch comes to, from the rows as they stand under the lock. Reports count in the order given, each execution once;
 * one of another attempt, of another node or for a run that is over changes nothing.
 */
export function effectsOf(items: readonly Item[], rows: readonly RunRow[], jobs: ReadonlyMap<string, JobFacts>, now: Date): Effects {
  const builder = new Builder(rows, jobs, now);
  const outcomes = items.map((item) => (item.kind === 'report' ? builder.report(item.report) : builder.loss(item.loss)));
  builder.decide();
  return { outcomes, ...builder.effects() };
}

class Builder {
  readonly #live: Map<string, Live>;
  readonly #touched = new Set<string>();
  readonly #nodes = new Map<string, NodeChange>();
  readonly #jobs = new Map<string, JobChange>();
  readonly #pays: ExecutionPay[] = [];
  readonly #out: Omit<Effects, 'outcomes' | 'nodes' | 'ended' | 'pays' | 'jobs'> = {
    verdicts: [], tasks: [], dropped: [], added: [], reputation: [], decided: [], nodeErrors: [], validRuns: [], devices: [],
  };

  constructor(
    rows: readonly RunRow[],
    private readonly jobs: ReadonlyMap<string, JobFacts>,
    private readonly now: Date,
  ) {
    this.#live = new Map(rows.map((row) => [row.id, { row, run: toRun(row), ended: undefined }]));
  }

  report(report: RunReport & { refused: string | null }): Effects['outcomes'][number] {
    const live = this.#live.get(report.executionId);
    if (!live || live.row.node !== report.nodeId) return { outcome: 'unknown' };
    const { run } = live;
    if (report.attempt !== undefined && report.attempt !== run.attempt) return { outcome: 'stale', detail: `Attempt ${run.attempt} is the one that counts` };
    if (run.status === 'reported' || run.status === 'errored') return { outcome: 'duplicate' };
    if (run.status !== 'leased' && run.status !== 'running') return { outcome: 'stale', detail: `The execution is ${run.status}` };
    const fault = this.#faultOf(report, live);
    this.#end(live, {
      ...blank(run.id, fault ? 'errored' : 'reported'),
      hash: fault ? null : report.resultHash,
      bytes: report.bytes,
      manifest: report.manifest,
      exitCode: report.exitCode,
      faultCode: fault?.code ?? null,
      faultBlame: fault?.blame ?? null,
      errorMessage: fault?.message ?? null,
      logs: report.logs,
      durationMs: Math.min(report.durationMs, MOST_MS),
      imageDigest: report.imageDigest,
      batchSeq: report.batchSeq,
    });
    if (fault?.blame === 'node') this.#out.nodeErrors.push(report.nodeId);
    return report.refused === null ? { outcome: 'counted' } : { outcome: 'refused', detail: report.refused };
  }

  loss(loss: RunLoss): Effects['outcomes'][number] {
    const live = this.#live.get(loss.executionId);
    if (!live || live.run.attempt !== loss.attempt) return { outcome: 'stale' };
    const waits = live.run.status === 'ready' && live.run.purpose === 'recheck';
    if (!waits && live.run.status !== 'leased' && live.run.status !== 'running') return { outcome: 'stale' };
    this.#end(live, { ...blank(live.run.id, 'expired'), live: !waits, errorMessage: loss.reason });
    if (live.row.node !== null && !waits) this.#out.nodeErrors.push(live.row.node);
    return { outcome: 'counted' };
  }

  /** A job without declared outputs has no folder as its result, and the other way round. */
  #faultOf(report: RunReport, { row }: Live): RunReport['fault'] {
    if (report.fault) return report.fault;
    const declared = this.jobs.get(row.job)?.outputs != null;
    if (declared === (report.manifest !== null)) return null;
    return { code: 'bad_result', blame: 'node', message: declared ? 'The result is a folder and was reported without its manifest' : 'The result is standard output and was reported as a folder' };
  }

  #end(live: Live, ended: EndedRun): void {
    live.ended = ended;
    Object.assign(live.run, { status: ended.status, resultHash: ended.hash, bytes: ended.bytes, faultBlame: ended.faultBlame, faultCode: ended.faultCode, faultMessage: ended.errorMessage });
    live.row.duration = ended.durationMs;
    this.#touched.add(live.row.task);
    if (ended.live) this.#release(live);
  }

  #release({ row }: Live): void {
    const need = this.jobs.get(row.job)?.need;
    if (!need || row.node === null) return;
    const node = this.#node(row.node);
    node.cpu += need.cpuCores;
    node.ram += need.memoryMb;
    node.disk += need.diskGb;
    if (need.numGpus > 0) this.#out.devices.push(row.id);
  }

  /** Every task that something was reported of. */
  decide(): void {
    const byTask = groupBy(this.#live.values(), (live) => live.row.task);
    for (const taskId of this.#touched) {
      const lives = byTask.get(taskId) ?? [];
      const job = this.jobs.get(lives[0]?.row.job ?? '');
      if (lives[0] && job) this.#decideOne(job, lives[0].row, lives);
    }
  }

  #decideOne(job: JobFacts, task: RunRow, lives: readonly Live[]): void {
    const decision = tally(job, { status: task.task_status, canonicalId: task.canonical }, lives.map((live) => live.run));
    for (const { run, verdict } of decision.verdicts) this.#judge(job, run.id, verdict, lives);
    if (decision.dropReady && lives.some((live) => live.run.status === 'ready')) this.#out.dropped.push(task.task);
    for (const added of decision.newRuns) {
      this.#out.added.push({
        jobId: job.id, taskId: task.task, copy: added.copy, attempt: added.attempt, purpose: added.purpose,
        nodeId: added.of?.nodeId ?? null, ownerId: added.of?.ownerId ?? null, key: added.of?.key ?? null,
      });
    }
    this.#noteTask(job, task, decision);
  }

  #noteTask(job: JobFacts, task: RunRow, decision: Decision): void {
    const newCopies = decision.newRuns.filter((run) => run.purpose === 'copy' && run.attempt === 1).length;
    if (decision.status === task.task_status && newCopies === 0) return;
    const resultHash = decision.canonical?.resultHash ?? null;
    const { code = null, message = null } = decision.fault ?? {};
    this.#out.tasks.push({ id: task.task, status: decision.status, canonicalId: decision.canonical?.id ?? null, resultHash, faultCode: code, faultMessage: message, newCopies });
    if (decision.status !== 'final' && decision.status !== 'failed') return;
    const counters = this.#job(job.id);
    counters.final += Number(decision.status === 'final');
    counters.failed += Number(decision.status === 'failed');
    this.#out.decided.push({ jobId: job.id, taskId: task.task, index: task.task_index, status: decision.status, resultHash });
  }

  #judge(job: JobFacts, runId: string, verdict: ExecutionVerdict, lives: readonly Live[]): void {
    const live = this.#live.get(runId);
    if (!live) return;
    const counts = live.row.owner !== job.submittedBy;
    const good = verdict !== 'invalid';
    const delta = counts ? (good ? REPUTATION.agree : REPUTATION.disagree) : 0;
    if (live.ended) Object.assign(live.ended, { verdict, reputation: delta });
    else this.#out.verdicts.push({ id: runId, verdict, reputation: delta, paid: null });
    if (!counts || live.row.node === null || live.row.owner === null) return;
    const amountMicro = good ? this.#payOf(job, live) : 0n;
    this.#score(live.row, verdict, delta, amountMicro);
    if (amountMicro > 0n) this.#pays.push({ jobId: job.id, executionId: runId, nodeId: live.row.node, ownerId: live.row.owner, amountMicro });
    if (good) this.#out.validRuns.push({ nodeId: live.row.node, relative: relativeSpeed(live, lives) });
  }

  #score(row: RunRow, verdict: ExecutionVerdict, delta: number, earnedMicro: bigint): void {
    const node = this.#node(row.node ?? '');
    node.ran += 1;
    node.valid += Number(verdict !== 'invalid');
    node.invalid += Number(verdict === 'invalid');
    node.earnedMicro += earnedMicro;
    node.deltas.push(delta);
    const reason = verdict === 'invalid' ? 'another result than the one that was agreed on' : 'agreed with the result';
    this.#out.reputation.push({ nodeId: node.id, executionId: row.id, delta, reason });
  }

  #payOf(job: JobFacts, { row, ended }: Live): bigint {
    const until = ended ? this.now : (row.completed ?? this.now);
    const seenMs = row.started ? until.getTime() - row.started.getTime() : 0;
    return executionPay({ rateMicroHour: row.rate, durationMs: row.duration ?? 0, seenMs, timeoutS: job.timeoutS });
  }

  #node(id: string): NodeChange {
    const known = this.#nodes.get(id) ?? { id, cpu: 0, ram: 0, disk: 0, ran: 0, valid: 0, invalid: 0, earnedMicro: 0n, deltas: [] };
    this.#nodes.set(id, known);
    return known;
  }

  #job(id: string): JobChange {
    const known = this.#jobs.get(id) ?? { id, final: 0, failed: 0, paidMicro: 0n };
    this.#jobs.set(id, known);
    return known;
  }

  effects(): Omit<Effects, 'outcomes'> {
    const pays = payTransfers(this.#pays);
    for (const pay of pays) this.#job(pay.jobId).paidMicro += pay.amountMicro;
    const ended = [...this.#live.values()].flatMap((live) => live.ended ?? []);
    markPaid(pays, new Map([...ended, ...this.#out.verdicts].map((run) => [run.id, run])));
    return { ...this.#out, pays, jobs: [...this.#jobs.values()], ended, nodes: [...this.#nodes.values()] };
  }
}

function markPaid(pays: readonly PayTransfer[], runs: ReadonlyMap<string, { paid: Paid | null }>): void {
  for (const { id: transfer, pays: group } of pays) {
    for (const pay of group) {
      const run = runs.get(pay.executionId);
      if (!run) throw new Error('only a run that is judged now is paid now');
      run.paid = { amount: pay.amountMicro.toString(), transfer };
    }
  }
}

/** What an int column holds; nothing runs for 24 days. */
const MOST_MS = 2_147_483_647;

const sum = <T>(all: readonly T[], of: (one: T) => number): number => all.reduce((total, one) => total + of(one), 0);

function blank(id: string, status: EndedRun['status']): EndedRun {
  return {
    id, live: true, status, verdict: 'none', hash: null, bytes: null, manifest: null, exitCode: null, faultCode: null, faultBlame: null,
    errorMessage: null, logs: '', durationMs: null, imageDigest: null, batchSeq: null, reputation: 0, paid: null,
  };
}

function toRun(row: RunRow): Run {
  return {
    id: row.id, copy: row.copy, attempt: row.attempt, purpose: row.purpose, nodeId: row.node, ownerId: row.owner, key: row.key, status: row.status, verdict: row.verdict,
    resultHash: row.hash, bytes: row.bytes, faultBlame: row.blame, faultCode: row.fault, faultMessage: row.message,
  };
}

/** How long the others took ÷ how long this one took. */
function relativeSpeed(live: Live, lives: readonly Live[]): number | undefined {
  const others = lives.filter((one) => one !== live && one.run.status === 'reported' && (one.row.duration ?? 0) > 0).map((one) => one.row.duration ?? 0);
  const own = live.row.duration ?? 0;
  return others.length === 0 || own === 0 ? undefined : sum(others, (ms) => ms) / others.length / own;
}
