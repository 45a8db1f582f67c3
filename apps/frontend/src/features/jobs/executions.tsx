'use client';
import { useState } from 'react';
import type { ExecutionView, TaskView } from '@muster/shared-types';
import { Trouble, Waiting } from '@/components/ui/notice';
import { StateWord } from '@/components/ui/state-word';
import { useApi } from '@/lib/api';
import { cn } from '@/lib/cn';
import { plural, tenths, usd, words } from '@/lib/format.rules';
import { type VoteMark, voteMarks } from './votes.rules';

/** The marks of a task's copies, and below them who ran what, with logs. */
export function Executions({ jobId, task, every }: { jobId: string; task: TaskView; every: number | false }) {
  const executions = useApi('listExecutions', { params: { job_id: jobId }, query: { task: task.index, limit: 50 } }, { every, keep: true });
  if (executions.isPending) return <Waiting rows={3} />;
  if (executions.error && !executions.data) return <Trouble className="m-4" error={executions.error} what="The executions could not be loaded" onRetry={() => void executions.refetch()} />;
  const items = executions.data?.items.filter((one) => one.task_id === task.id) ?? [];
  return (
    <>
      <Marks marks={voteMarks(task, items)} />
      <ul className="border-t border-line">{items.map((one) => <Execution key={one.id} one={one} winner={task.result_hash} />)}</ul>
    </>
  );
}

const SHAPE: Record<VoteMark['kind'], string> = {
  agrees: 'border-running-mark bg-running-mark',
  differs: 'border-failed-mark',
  failed: 'border-failed-mark border-dashed',
  waits: 'border-starting-mark border-dashed pulse-mark',
  gone: 'border-line-strong',
};
const SAYS: Record<VoteMark['kind'], string> = { agrees: 'agrees', differs: 'came to another result', failed: 'failed', waits: 'not done yet', gone: 'was not needed' };

function Marks({ marks }: { marks: readonly VoteMark[] }) {
  const agree = marks.filter(({ kind }) => kind === 'agrees').length;
  return (
    <div className="flex flex-wrap items-center gap-3 px-4 py-3">
      <ul aria-label="Votes" className="flex gap-2">
        {marks.map(({ id, kind, node, hash }) => <li key={id} title={`${node} ${SAYS[kind]}${hash ? `\n${hash}` : ''}`} className={cn('size-5 rounded-full border-2', SHAPE[kind])}><span className="sr-only">{node} {SAYS[kind]}</span></li>)}
      </ul>
      <p className="text-13 text-dim">{marks.length === 0 ? 'No machine has taken a copy yet' : `${agree} of ${plural(marks.length, 'copy', 'copies')} came to the same result`}</p>
    </div>
  );
}

function Execution({ one, winner }: { one: ExecutionView; winner: string | null }) {
  const [open, setOpen] = useState(false);
  const differs = one.result_hash !== null && winner !== null && one.result_hash !== winner;
  return (
    <li className="border-b border-line last:border-0">
      <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className="grid min-h-9 w-full grid-cols-[112px_minmax(0,1fr)_auto] items-center gap-x-4 px-4 py-1.5 text-left text-13 hover:bg-sunken sm:grid-cols-[112px_minmax(0,1fr)_150px_72px_96px_72px]">
        <StateWord state={one.verdict === 'none' ? one.status : one.verdict} />
        <span className="truncate">{one.node_name ?? <span className="text-dim">no node yet</span>} <span className="num text-12 text-dim">copy {one.copy}{one.attempt > 1 ? `, attempt ${one.attempt}` : ''}</span></span>
        <span className={cn('num truncate text-12 max-sm:hidden', differs ? 'text-failed' : 'text-dim')}>{one.result_hash?.slice(0, 16) ?? '–'}</span>
        <span className="num text-right max-sm:hidden">{one.duration_ms === null ? '–' : tenths(one.duration_ms)}</span>
        <span className="num text-right">{usd(one.paid_usd)}</span>
        <span className="num text-right text-dim max-sm:hidden" title="Reputation">{one.reputation_delta > 0 ? '+' : ''}{one.reputation_delta || '–'}</span>
      </button>
      {open && (
        <div className="flex flex-col gap-2 px-4 pb-3">
          {one.fault && <p className="text-13 text-failed">{one.fault.message} <code className="num text-12">{one.fault.code}</code></p>}
          <p className="num text-12 break-all text-dim">{words(one.status)}{one.exit_code === null ? '' : `, exit code ${one.exit_code}`}{one.result_hash ? ` · ${one.result_hash}` : ''}</p>
          <pre tabIndex={0} role="region" aria-label="Logs" className="num max-h-64 overflow-auto rounded-control bg-sunken p-3 text-12 whitespace-pre-wrap">{one.logs === '' ? 'It wrote no logs.' : one.logs}</pre>
        </div>
      )}
    </li>
  );
}
