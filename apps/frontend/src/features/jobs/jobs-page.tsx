'use client';
import Link from 'next/link';
import { useRouter, useSearchParams } from 'next/navigation';
import { Boxes } from 'lucide-react';
import { JobStatus, type JobSummary } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { type Column, DataTable } from '@/components/ui/data-table';
import { Select } from '@/components/ui/field';
import { Empty, Trouble, Waiting } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { Ago, Since } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { count, plural, usd } from '@/lib/format.rules';
import { isJobOver } from './job.rules';

const EVERY_MS = 4_000;

const COLUMNS: readonly Column<JobSummary>[] = [
  { id: 'state', title: 'State', className: 'w-32', cell: ({ status }) => <StateWord state={status} /> },
  { id: 'name', title: 'Job', cell: ({ id, name }) => <Link href={`/jobs/${id}`} className="block max-w-72 truncate text-14 after:absolute after:inset-0">{name}</Link> },
  { id: 'image', title: 'Image', className: 'max-lg:hidden', cell: ({ docker_image }) => <span className="num block max-w-64 truncate text-12 text-dim">{docker_image}</span> },
  { id: 'quorum', title: 'Agree', right: true, cell: ({ consensus, redundancy }) => <span className="num">{consensus} of {redundancy}</span> },
  { id: 'tasks', title: 'Tasks', right: true, cell: ({ progress }) => <Progress progress={progress} /> },
  { id: 'took', title: 'Took', right: true, className: 'max-md:hidden', cell: (job) => <span className="num">{job.started_at ? <Since at={job.started_at} until={job.completed_at} /> : '–'}</span> },
  { id: 'cost', title: 'Cost', right: true, cell: ({ paid_usd }) => <span className="num">{usd(paid_usd)}</span> },
  { id: 'held', title: 'Set aside', right: true, className: 'max-md:hidden', cell: (job) => <span className="num text-dim">{isJobOver(job.status) ? '–' : usd(job.held_usd)}</span> },
  { id: 'at', title: 'Submitted', right: true, cell: ({ submitted_at }) => <Ago at={submitted_at} className="num text-dim" /> },
];

function Progress({ progress }: Pick<JobSummary, 'progress'>) {
  return <span className="num">{count(progress.tasks_final)}<span className="text-dim"> of {count(progress.tasks)}</span>{progress.tasks_failed > 0 && <span className="text-failed"> · {count(progress.tasks_failed)} failed</span>}</span>;
}

export function JobsPage() {
  const router = useRouter();
  const given = JobStatus.safeParse(useSearchParams().get('status'));
  const request = { query: { limit: 100, ...(given.success && { status: given.data }) } };
  const jobs = useApi('listJobs', request, { every: EVERY_MS, keep: true });
  const items = jobs.data?.items ?? [];
  return (
    <>
      <TopLine title="Jobs" state={jobs.data && stateOf(items)} action={<Button asChild look="primary"><Link href="/jobs/new">Submit a job</Link></Button>} cli={['muster list']} http={[{ name: 'listJobs', request }]} />
      <PageBody>
        <Panel flush title="Jobs" note={jobs.data?.next ? 'the newest 100' : undefined} action={<StatusChoice value={given.success ? given.data : ''} onChange={(status) => router.replace(status === '' ? '/jobs' : `/jobs?status=${status}`)} />}>
          {jobs.isPending && <Waiting rows={6} />}
          {jobs.error && !jobs.data && <Trouble className="m-4" error={jobs.error} what="Your jobs could not be loaded" money="They go on." onRetry={() => void jobs.refetch()} />}
          {jobs.data && (items.length > 0 ? <DataTable label="Jobs" columns={COLUMNS} rows={items} rowKey={({ id }) => id} /> : <NoJobs filtered={given.success} />)}
        </Panel>
      </PageBody>
    </>
  );
}

function StatusChoice({ value, onChange }: { value: string; onChange: (status: string) => void }) {
  return (
    <Select aria-label="Which jobs" value={value} onChange={(event) => onChange(event.target.value)} className="h-7 w-36">
      <option value="">all states</option>
      {JobStatus.options.map((status) => <option key={status} value={status}>{status}</option>)}
    </Select>
  );
}

function stateOf(items: readonly JobSummary[]): string {
  const live = items.filter(({ status }) => !isJobOver(status)).length;
  const done = items.filter(({ status }) => status === 'completed').length;
  if (items.length === 0) return 'None yet';
  return live > 0 ? `${plural(live, 'job')} under way, ${count(done)} completed` : `${count(done)} of ${plural(items.length, 'job')} completed`;
}

function NoJobs({ filtered }: { filtered: boolean }) {
  if (filtered) return <Empty title="No job is in this state" action={<Button asChild><Link href="/jobs">Show all</Link></Button>} />;
  return (
    <Empty icon={<Boxes />} title="You have not submitted a job yet" action={<Button asChild look="primary"><Link href="/jobs/new">Submit a job</Link></Button>}>
      A job runs a container on several machines of strangers, and its result counts when enough of them came to the same one. The most it can cost is set aside first; what is not used comes back.
    </Empty>
  );
}
