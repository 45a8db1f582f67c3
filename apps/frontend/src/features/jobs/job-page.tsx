'use client';
import { useState } from 'react';
import Link from 'next/link';
import { RefusedError } from '@muster/client';
import type { JobView } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { Empty, Remark, Trouble, Waiting } from '@/components/ui/notice';
import { Fact, Facts, Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { Ask } from '@/components/ui/sheet';
import { Since } from '@/components/ui/time';
import { askAnew, useAction, useApi } from '@/lib/api';
import { count, gib, plural, shortId, unit, usd } from '@/lib/format.rules';
import { joinCommand } from './command.rules';
import { isJobOver } from './job.rules';
import { ResultPanel } from './result-panel';
import { TasksPanel } from './tasks-panel';

const EVERY_MS = 2_000;

export function JobPage({ id }: { id: string }) {
  const request = { params: { job_id: id } };
  const job = useApi('getJob', request, { every: (known) => (known && isJobOver(known.status) ? false : EVERY_MS) });
  const name = shortId('job', id);
  return (
    <>
      <TopLine
        title={job.data?.name ?? <>Job <span className="num text-14">{name}</span></>}
        state={job.data && <State job={job.data} />}
        action={job.data && <Cancel job={job.data} />}
        cli={[`muster get ${name}`, `muster result ${name}`, `muster cancel ${name}`]}
        http={[{ name: 'getJob', request }, { name: 'getJobResult', request }]}
      />
      <PageBody>
        {job.isPending && <Panel flush><Waiting rows={8} /></Panel>}
        {job.error && !job.data && <NotThere error={job.error} onRetry={() => void job.refetch()} />}
        {job.data && <Sections job={job.data} />}
      </PageBody>
    </>
  );
}

function State({ job }: { job: JobView }) {
  const { progress } = job;
  return (
    <span className="flex flex-wrap items-center gap-x-2">
      <StateWord state={job.status} />
      {progress.tasks > 1 && <span className="num">{count(progress.tasks_final)} of {plural(progress.tasks, 'task')}</span>}
      {job.started_at && <span>{isJobOver(job.status) ? 'took' : 'for'} <Since at={job.started_at} until={job.completed_at} className="num" /></span>}
    </span>
  );
}

function NotThere({ error, onRetry }: { error: Error; onRetry: () => void }) {
  if (error instanceof RefusedError && (error.problem.code === 'not_found' || error.problem.code === 'invalid_request')) {
    return <Panel><Empty title="There is no such job in this account" action={<Button asChild look="primary"><Link href="/jobs">Your jobs</Link></Button>}>The address may be of another account, or mistyped.</Empty></Panel>;
  }
  return <Trouble error={error} what="The job could not be loaded" money="It goes on." onRetry={onRetry} />;
}

function Cancel({ job }: { job: JobView }) {
  const [asking, setAsking] = useState(false);
  const cancel = useAction('cancelJob', (_, queries) => {
    askAnew(queries, 'getJob', 'listTasks', 'listExecutions', 'getBalance', 'listJobs');
    setAsking(false);
  });
  if (!job.actions.includes('cancel')) return null;
  return (
    <>
      <Button look="danger" onClick={() => setAsking(true)}>Cancel</Button>
      {asking && (
        <Ask open onClose={() => setAsking(false)} title="Cancel this job" note="It does not go on from where it was.">
          <div className="flex flex-col gap-4 p-5 text-14">
            <ul className="list-disc space-y-1 pl-5 text-dim">
              <li>Tasks that are final keep their results, and what they cost is paid.</li>
              <li>Everything else of the <span className="num">{usd(job.held_usd)}</span> that was set aside comes back at once.</li>
            </ul>
            {cancel.error !== null && <Trouble error={cancel.error} what="It was not cancelled" />}
            <div className="flex justify-end gap-2">
              <Button onClick={() => setAsking(false)}>Let it go on</Button>
              <Button look="danger" busy={cancel.isPending} onClick={() => cancel.mutate({ params: { job_id: job.id } })}>Cancel the job</Button>
            </div>
          </div>
        </Ask>
      )}
    </>
  );
}

function Sections({ job }: { job: JobView }) {
  return (
    <div className="flex flex-col gap-4">
      {job.fault && <Panel><Remark tone="attention"><strong>{job.fault.message}</strong> <code className="num text-12">{job.fault.code}</code></Remark></Panel>}
      {job.waiting_for && !isJobOver(job.status) && <Panel><Remark>It waits: {job.waiting_for.message} <code className="num text-12">{job.waiting_for.code}</code></Remark></Panel>}
      {job.warnings.map((warning) => <Remark key={warning} tone="attention">{warning}</Remark>)}
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_340px]">
        <div className="flex min-w-0 flex-col gap-4">
          <ResultPanel job={job} />
          <TasksPanel job={job} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Money job={job} />
          <What job={job} />
        </div>
      </div>
    </div>
  );
}

function Money({ job }: { job: JobView }) {
  return (
    <Panel title="Cost">
      <p className="num text-28 tracking-tight">{usd(job.paid_usd)}</p>
      <p className="mt-1 text-13 text-dim">paid for executions that agreed</p>
      <dl className="mt-4 grid grid-cols-[1fr_auto] gap-x-4 gap-y-1 text-13">
        <dt className="text-dim">Set aside at submission</dt><dd className="num text-right">{usd(job.held_usd)}</dd>
        <dt className="text-dim">Came back</dt><dd className="num text-right">{usd(job.refunded_usd)}</dd>
        <dt className="text-dim">Most it can ever cost</dt><dd className="num text-right">{usd(job.max_price_usd)}</dd>
      </dl>
    </Panel>
  );
}

function What({ job }: { job: JobView }) {
  return (
    <Panel title="What it runs">
      <Facts className="grid-cols-2">
        <Fact name="Image" className="col-span-2"><span className="break-all text-13">{job.docker_image}</span></Fact>
        {job.command.length > 0 && <Fact name="Command" className="col-span-2"><span className="text-13 break-all">{joinCommand(job.command)}</span></Fact>}
        <Fact name="Must agree">{job.consensus} of {job.redundancy}</Fact>
        <Fact name="Distinct by">{job.distinct_by}</Fact>
        <Fact name="CPU, RAM">{unit(job.required_cpu, 'vCPU')}, {gib(job.memory_mb)}</Fact>
        <Fact name="GPUs">{job.num_gpus || 'none'}</Fact>
        <Fact name="Time limit">{unit(job.timeout_s, 's')}</Fact>
        <Fact name="Network">{job.network}</Fact>
        <Fact name="Compared">{job.compare.kind}</Fact>
        <Fact name="Made into one">{job.aggregate.kind}</Fact>
      </Facts>
      <p className="num mt-4 text-12 break-all text-dim">{job.id}</p>
    </Panel>
  );
}
