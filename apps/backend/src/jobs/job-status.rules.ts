import type { JobStatus } from '@muster/shared-types';

/** What a job's status follows from. */
export interface JobFacts {
  cancelled: boolean;
  tasksTotal: number;
  tasksFinal: number;
  tasksFailed: number;
  maxErrors: number;
  /** `none`: not asked for. `due`: to be made once every task is final. */
  aggregate: 'none' | 'due' | 'made' | 'failed';
  /** Copies of its tasks that wait for a node, are leased, are said to run. */
  ready: boolean;
  leased: boolean;
  running: boolean;
  /** Something of it was leased at some time. */
  started: boolean;
  /** Something of it was said to run at some time: it never looks unstarted again. */
  ran: boolean;
}

export const TERMINAL: readonly JobStatus[] = ['completed', 'failed', 'cancelled'];
export const isTerminal = (status: JobStatus): boolean => TERMINAL.includes(status);

/**
 *   pending ──▶ scheduled ──▶ running ──▶ verifying ──▶ completed
 *      │            │            │            ├───────▶ failed      every task is decided and one failed, or all fail from the start
 *      └────────────┴────────────┴────────────┴───────▶ cancelled   by its submitter
 *
 * Derived from the facts alone; only the last three are for ever. `verifying`: all that was leased has been reported, and the
 * votes are not decided or the aggregate is not made.
 */
export function jobStatus(facts: JobFacts): JobStatus {
  if (facts.cancelled) return 'cancelled';
  const decided = facts.tasksFinal + facts.tasksFailed >= facts.tasksTotal;
  if (hopeless(facts) || (decided && facts.tasksFailed > 0) || facts.aggregate === 'failed') return 'failed';
  if (decided) return facts.aggregate === 'due' ? 'verifying' : 'completed';
  if (!facts.started) return 'pending';
  if (facts.running) return 'running';
  if (facts.leased || facts.ready) return facts.ran ? 'running' : 'scheduled';
  return 'verifying';
}

/** The first `max_errors` tasks all failed: the rest would too, and machines of others are not to be kept busy with it. */
function hopeless({ tasksFinal, tasksFailed, maxErrors }: JobFacts): boolean {
  return tasksFinal === 0 && tasksFailed > 0 && tasksFailed >= maxErrors;
}
