'use client';
import { useState } from 'react';
import type { JobView, TaskView } from '@muster/shared-types';
import { Trouble, Waiting } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { useApi } from '@/lib/api';
import { cn } from '@/lib/cn';
import { count, plural, words } from '@/lib/format.rules';
import { Executions } from './executions';
import { isJobOver, TASK_TONE } from './job.rules';

const EVERY_MS = 2_000;
const DOT: Record<string, string> = { running: 'bg-running-mark', starting: 'bg-starting-mark', attention: 'bg-attention-mark', failed: 'bg-failed-mark', offline: 'bg-offline-mark' };

/** One dot a task, by state; a chosen one opens to its votes and its executions. */
export function TasksPanel({ job }: { job: JobView }) {
  const every = isJobOver(job.status) ? false : EVERY_MS;
  const tasks = useApi('listTasks', { params: { job_id: job.id }, query: { limit: 200 } }, { every });
  const [chosen, setChosen] = useState<number | undefined>();
  const items = tasks.data?.items ?? [];
  const task = items.find(({ index }) => index === chosen) ?? items[0];
  return (
    <Panel title={job.progress.tasks > 1 ? 'Tasks' : 'Votes'} note={noteOf(job)} flush>
      {tasks.isPending && <Waiting rows={3} />}
      {tasks.error && !tasks.data && <Trouble className="m-4" error={tasks.error} what="The tasks could not be loaded" onRetry={() => void tasks.refetch()} />}
      {items.length > 1 && <Dots items={items} chosen={task?.index} onChoose={setChosen} more={job.progress.tasks - items.length} />}
      {task && (
        <>
          {items.length > 1 && <p className="flex flex-wrap items-center gap-3 border-t border-line px-4 py-2 text-13"><span className="num">Task {task.index}</span>{task.label !== '' && <span className="num text-dim">{task.label}</span>}<StateWord state={task.status} tone={TASK_TONE[task.status]} /></p>}
          {task.fault && <p className="px-4 pt-2 text-13 text-failed">{task.fault.message}</p>}
          <Executions jobId={job.id} task={task} every={every} />
        </>
      )}
    </Panel>
  );
}

function noteOf({ progress, consensus, redundancy }: JobView): string {
  const running = progress.executions_running > 0 ? `, ${plural(progress.executions_running, 'execution')} running` : '';
  return `${consensus} of ${redundancy} must agree${progress.tasks > 1 ? ` on each of ${count(progress.tasks)}` : ''}${running}`;
}

function Dots({ items, chosen, onChoose, more }: { items: readonly TaskView[]; chosen: number | undefined; onChoose: (index: number) => void; more: number }) {
  return (
    <div className="p-4">
      <div role="group" aria-label="Tasks by state" className="flex flex-wrap gap-1">
        {items.map(({ id, index, status, label }) => (
          <button key={id} type="button" aria-pressed={index === chosen} aria-label={`Task ${index}, ${words(status)}`} title={`${index}${label ? ` · ${label}` : ''} · ${words(status)}`} onClick={() => onChoose(index)} className="flex size-6 items-center justify-center rounded-control hover:bg-sunken">
            <span aria-hidden className={cn('size-3 rounded-[3px]', DOT[TASK_TONE[status]], index === chosen && 'outline-2 outline-offset-2 outline-accent')} />
          </button>
        ))}
      </div>
      {more > 0 && <p className="mt-2 text-12 text-dim">and {count(more)} more; all of them: <code className="num">muster get --tasks</code></p>}
      <p className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-12">{[...new Set(items.map(({ status }) => status))].map((status) => <StateWord key={status} state={status} tone={TASK_TONE[status]} label={`${items.filter((one) => one.status === status).length} ${words(status)}`} />)}</p>
    </div>
  );
}
