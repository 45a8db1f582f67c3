import type { ExecutionView, TaskView } from '@muster/shared-types';

export interface VoteMark {
  id: string;
  /** `agrees`: with the result, or with most of the others while there is none. */
  kind: 'agrees' | 'differs' | 'failed' | 'waits' | 'gone';
  node: string;
  copy: number;
  hash: string | null;
}

/** One mark a copy, in the order of copies; of several attempts of a copy the last one counts. */
export function voteMarks(task: Pick<TaskView, 'id' | 'result_hash' | 'votes'>, executions: readonly ExecutionView[]): VoteMark[] {
  const last = new Map<number, ExecutionView>();
  for (const one of executions) if (one.task_id === task.id && one.attempt >= (last.get(one.copy)?.attempt ?? 0)) last.set(one.copy, one);
  const leader = task.result_hash ?? task.votes.toSorted((one, other) => other.count - one.count)[0]?.result_hash;
  return [...last.values()].toSorted((one, other) => one.copy - other.copy).map((one) => ({ id: one.id, kind: kindOf(one, leader), node: one.node_name ?? 'no node yet', copy: one.copy, hash: one.result_hash }));
}

function kindOf(one: ExecutionView, leader: string | undefined): VoteMark['kind'] {
  if (one.status === 'reported') return one.result_hash === leader ? 'agrees' : 'differs';
  if (one.status === 'errored' || one.status === 'expired') return 'failed';
  return one.status === 'unneeded' ? 'gone' : 'waits';
}
