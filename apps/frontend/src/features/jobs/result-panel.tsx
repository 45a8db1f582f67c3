'use client';
import type { JobResult, JobView } from '@muster/shared-types';
import { CopyButton } from '@/components/ui/copy';
import { Trouble } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { When } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { count, plural } from '@/lib/format.rules';
import { Tick } from '@/components/frame/logo';
import { isJobOver, ownLink, readable } from './job.rules';

/** What is final so far, as it comes. */
export function ResultPanel({ job }: { job: JobView }) {
  const some = job.progress.tasks_final > 0;
  const result = useApi('getJobResult', { params: { job_id: job.id }, query: { limit: 20 } }, { enabled: some, every: isJobOver(job.status) ? false : 3_000 });
  const text = readable(job.result, job.result_encoding);
  return (
    <Panel title="Result" note={noteOf(job, result.data)} action={text !== undefined && <CopyButton text={text} what="the result" />}>
      {text !== undefined && <Output text={text} />}
      {job.result_hash && <p className="num mt-2 flex items-center gap-2 text-12 text-dim"><Tick className="size-3.5 shrink-0 text-running" /><span className="min-w-0 break-all">SHA-256 {job.result_hash}</span></p>}
      {!some && <p className="text-13 text-dim">{isJobOver(job.status) ? 'It has none.' : 'It appears here as soon as enough machines agree on it.'}</p>}
      {result.error && !result.data && <Trouble error={result.error} what="The result cannot be read" onRetry={() => void result.refetch()} />}
      {result.data && <Parts result={result.data} shown={text !== undefined && job.progress.tasks === 1} />}
    </Panel>
  );
}

function noteOf(job: JobView, result: JobResult | undefined): React.ReactNode {
  if (result?.kept_until) return <>kept until <When at={result.kept_until} className="num" /></>;
  if (job.progress.tasks > 1) return `${count(job.progress.tasks_final)} of ${plural(job.progress.tasks, 'part')} final`;
  return undefined;
}

const Output = ({ text }: { text: string }) => <pre tabIndex={0} role="region" aria-label="Result" className="num max-h-80 overflow-auto rounded-control bg-sunken p-3 text-13 whitespace-pre-wrap">{text === '' ? '(empty)' : text}</pre>;

function Parts({ result, shown }: { result: JobResult; shown: boolean }) {
  const { aggregate, parts } = result;
  return (
    <div className="mt-3 flex flex-col gap-3">
      {aggregate?.url && <a className="text-13 text-accent-ink underline underline-offset-2" href={ownLink(aggregate.url)}>Download the whole result ({count(aggregate.size)} bytes)</a>}
      {parts.length > 0 && !shown && <details open={aggregate === null}>
        <summary className="text-13 text-dim">{plural(parts.length, 'part')}</summary>
        <div className="mt-2 flex flex-col gap-3">
      {parts.map((part) => (
        <section key={part.task_id}>
          <h3 className="mb-1 flex flex-wrap gap-x-3 text-13"><span className="num">Task {part.index}</span>{part.label !== '' && <span className="num text-dim">{part.label}</span>}<span className="num text-12 text-dim">{part.result_hash.slice(0, 16)}</span></h3>
          {readable(part.result, part.encoding) !== undefined && <Output text={readable(part.result, part.encoding) ?? ''} />}
          {part.manifest && <ul className="text-13">{part.manifest.files.slice(0, 20).map((file) => <li key={file.path} className="num flex gap-4"><span className="min-w-0 flex-1 truncate">{file.path}</span><span className="text-dim">{count(file.size)} bytes</span></li>)}</ul>}
          {part.archive_url && <a className="text-13 text-accent-ink underline underline-offset-2" href={ownLink(part.archive_url)}>Download its folder</a>}
        </section>
      ))}
        </div>
      </details>}
      {result.next && <p className="text-12 text-dim">More parts: <code className="num">muster result</code> fetches all of them.</p>}
    </div>
  );
}
