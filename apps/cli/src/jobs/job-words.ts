import { type ExecutionView, type JobQuote, type JobSubmission, type JobSummary, type JobView, parseUsd, type TaskView, type Vote } from '@muster/shared-types';
import { shortId } from '../commands/recall.js';
import type { Io } from '../output/io.js';
import { type Column, duration, facts, gib, seconds, stateWord, table, usd, when } from '../output/words.js';

export const jobName = (job: { id: string }): string => shortId('job', job.id);
export const shortHash = (hash: string): string => hash.slice(0, 12);
export const count = (n: number, one: string, many = `${one}s`): string => `${n} ${n === 1 ? one : many}`;

const cut = (text: string, most: number): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

export function bytesWords(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

/** What kind of proof the copies give: said wherever copies are counted. */
export const distinctWords = (by: 'owner' | 'node'): string => (by === 'owner' ? 'of different owners' : 'different nodes only: one owner may have them all');

type Policy = Pick<JobView, 'redundancy' | 'consensus' | 'max_copies'>;
export const policyWords = ({ redundancy, consensus, max_copies }: Policy): string =>
  `${consensus} of ${redundancy} must agree${max_copies > redundancy ? `, up to ${max_copies} when they do not` : ''}`;

/** What it would cost and where it could run. */
export function quoteWords(io: Io, quote: JobQuote, job: Pick<JobSubmission, 'redundancy' | 'consensus' | 'max_copies' | 'timeout_s'>): string {
  return facts(io, [
    ['work', `${count(quote.tasks, 'task')}, ${count(quote.tasks * job.redundancy, 'execution')}, each of at most ${duration(job.timeout_s)}`],
    ['proof', `${policyWords(job)} – nodes ${distinctWords(quote.distinct_by)}`],
    ['fits on', `${count(quote.nodes_fitting, 'node')} of ${count(quote.owners_fitting, 'owner')}; ${quote.nodes_free_now} free now`],
    ['rate', `at most ${usd(quote.dph_per_execution)}/h per execution`],
    ['at most', `you cannot be charged more than ${io.paint.bold(usd(quote.max_charge_usd))}; what is not used comes back at once`],
    ...quote.warnings.map((warning) => ['note', warning] as const),
  ]);
}

const ended = (job: Pick<JobView, 'status'>): boolean => ['completed', 'failed', 'cancelled'].includes(job.status);
export const hasEnded = ended;

/** Held and neither paid nor refunded yet, in micro-dollars. */
export const escrowOf = (job: Pick<JobView, 'held_usd' | 'paid_usd' | 'refunded_usd'>): bigint => parseUsd(job.held_usd) - parseUsd(job.paid_usd) - parseUsd(job.refunded_usd);

/** One line of where a job stands. */
export function progressWords({ progress }: Pick<JobView, 'progress'>): string {
  const { tasks, tasks_final, tasks_failed, executions_running, executions_reported } = progress;
  const parts = [
    ...(tasks > 1 ? [`${tasks_final} of ${tasks} tasks final`] : []),
    ...(tasks_failed > 0 ? [`${tasks_failed} failed`] : []),
    ...(executions_running > 0 ? [`${executions_running} running`] : []),
    `${executions_reported} reported`,
  ];
  return parts.join(' · ');
}

export function jobFacts(io: Io, job: JobView): string {
  return facts(io, [
    ['job', `${jobName(job)}  ${io.paint.dim(job.id)}`],
    ['name', job.name],
    ['state', `${stateWord(io, job.status)} – ${progressWords(job)}`],
    ...(job.waiting_for && !ended(job) ? ([['waits for', `${job.waiting_for.message} ${io.paint.dim(job.waiting_for.code)}`]] as const) : []),
    ...(job.fault ? ([['reason', `${job.fault.message} ${io.paint.dim(job.fault.code)}`]] as const) : []),
    ['runs', [job.docker_image, ...job.command].join(' ').slice(0, 200)],
    ['needs', `${job.required_cpu} vCPU, ${gib(job.memory_mb)} RAM, ${job.disk_gb} GB disk${job.num_gpus > 0 ? `, ${count(job.num_gpus, 'GPU')}` : ''}${job.capabilities.length > 0 ? `, ${job.capabilities.join(', ')}` : ''}; network ${job.network}`],
    ['proof', `${policyWords(job)} – nodes ${distinctWords(job.distinct_by)}`],
    ['money', `${usd(job.paid_usd)} paid, ${usd(job.refunded_usd)} refunded of ${usd(job.held_usd)} held`],
    ['submitted', when(job.submitted_at)],
    ...(job.started_at ? ([['started', when(job.started_at)]] as const) : []),
    ...(job.completed_at ? ([['ended', `${when(job.completed_at)}, after ${tookWords(job)}`]] as const) : []),
    ...(job.result_hash ? ([['result', `SHA-256 ${job.result_hash}`]] as const) : []),
    ['you can', job.actions.length > 0 ? job.actions.join(', ') : 'nothing more'],
    ...job.warnings.map((warning) => ['note', warning] as const),
  ]);
}

export const tookWords = (job: Pick<JobView, 'submitted_at' | 'completed_at'>): string =>
  job.completed_at ? seconds(Date.parse(job.completed_at) - Date.parse(job.submitted_at)) : '–';

const JOB_COLUMNS: readonly Column[] = [
  { title: '#', align: 'right' }, { title: 'JOB' }, { title: 'NAME' }, { title: 'STATE' }, { title: 'TASKS', align: 'right' }, { title: 'PROOF' }, { title: 'PAID', align: 'right' }, { title: 'OF', align: 'right' }, { title: 'SUBMITTED' }, { title: '' },
];

export function jobsTable(io: Io, jobs: readonly JobSummary[]): string {
  return table(io, JOB_COLUMNS, jobs.map((job, index) => [
    String(index + 1), jobName(job), cut(job.name, 32), stateWord(io, job.status), `${job.progress.tasks_final}/${job.progress.tasks}`,
    `${job.consensus} of ${job.redundancy}`, usd(job.paid_usd), usd(job.held_usd), when(job.submitted_at), cut((job.fault ?? (ended(job) ? null : job.waiting_for))?.message ?? '', 60),
  ]));
}

const EXECUTION_COLUMNS: readonly Column[] = [
  { title: 'TASK', align: 'right' }, { title: 'COPY', align: 'right' }, { title: 'TRY', align: 'right' }, { title: 'NODE' }, { title: 'STATE' }, { title: 'VERDICT' }, { title: 'RESULT' }, { title: 'TOOK', align: 'right' }, { title: 'PAID', align: 'right' }, { title: 'REPUTATION', align: 'right' }, { title: '' },
];

export function executionsTable(io: Io, executions: readonly ExecutionView[]): string {
  return table(io, EXECUTION_COLUMNS, executions.map((run) => [
    String(run.task_index), String(run.copy), String(run.attempt), run.node_name ?? '–', stateWord(io, run.status), run.verdict === 'none' ? io.paint.dim('–') : stateWord(io, run.verdict),
    run.result_hash ? shortHash(run.result_hash) : '–', run.duration_ms === null ? '–' : tookMs(run.duration_ms), usd(run.paid_usd), deltaWords(run.reputation_delta),
    run.fault ? `${cut(run.fault.message, 70)} ${io.paint.dim(run.fault.code)}` : cut(run.error_message ?? '', 70),
  ]));
}

/** A short run in whole milliseconds: seconds would say nothing of it. */
const tookMs = (ms: number): string => (ms < 1000 ? `${ms} ms` : seconds(ms));

export const deltaWords = (delta: number): string => (delta > 0 ? `+${delta}` : delta < 0 ? `−${-delta}` : '0');

/** `5891b5b522d5 ×2 (vm, vm-2)  0f1e2d3c4b5a ×1 (liar)`, most first. */
export const votesWords = (io: Io, votes: readonly Vote[]): string =>
  votes.length === 0 ? io.paint.dim('no votes yet') : votes.toSorted((a, b) => b.count - a.count).map((vote) => `${shortHash(vote.result_hash)} ×${vote.count} (${vote.nodes.join(', ')})`).join('  ');

export function tasksTable(io: Io, tasks: readonly TaskView[]): string {
  const columns: Column[] = [{ title: 'TASK', align: 'right' }, { title: 'WHAT' }, { title: 'STATE' }, { title: 'VOTES' }, { title: '' }];
  return table(io, columns, tasks.map((task) => [String(task.index), task.kind === 'aggregate' ? 'aggregate' : cut(task.label, 40), stateWord(io, task.status), votesWords(io, task.votes), cut(task.fault?.message ?? '', 70)]));
}
