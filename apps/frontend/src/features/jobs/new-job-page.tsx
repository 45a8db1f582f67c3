'use client';
import { useState } from 'react';
import { useRouter } from 'next/navigation';
import { JobSubmission, type JobSubmissionInput } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { Field, Textarea } from '@/components/ui/field';
import { Remark, Trouble } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { Tabs } from '@/components/ui/tabs';
import { askAnew, useAction, useApi } from '@/lib/api';
import { plural, usd } from '@/lib/format.rules';
import { useSettled } from '../rent/use-settled';
import { checkDraft, type Draft, FIRST_DRAFT, submissionOf } from './draft.rules';
import { DraftForm } from './draft-form';

/** By form or as JSON, checked by the contract's schema; beside it what it could cost, before anything is set aside. */
export function NewJobPage() {
  const [draft, setDraft] = useState<Draft>(FIRST_DRAFT);
  const [text, setText] = useState('');
  const [mode, setMode] = useState('form');
  const checked = checkDraft(draft);
  const written = readJson(text);
  const submission = mode === 'form' ? (checked.ok ? checked.submission : undefined) : written.submission;
  const change = (next: string): void => {
    if (next === 'json') setText(JSON.stringify(submissionOf(draft), (_, value: unknown) => (Number.isNaN(value) ? null : value), 2));
    setMode(next);
  };
  const tabs = [
    { id: 'form', title: 'Form', body: <DraftForm draft={draft} errors={checked.ok ? {} : checked.errors} onChange={setDraft} /> },
    { id: 'json', title: 'JSON', body: <Field label="The submission, as the API takes it" error={text === '' ? undefined : written.error}>{(wiring) => <Textarea {...wiring} rows={28} spellCheck={false} value={text} onChange={(event) => setText(event.target.value)} />}</Field> },
  ];
  return (
    <>
      <TopLine title="Submit a job" state="Runs on several machines; counts when enough agree" cli={['muster submit --image muster/workspace -- echo hello']} http={submission ? [{ name: 'createJob', request: { body: submission } }] : []} />
      <PageBody wide={false}>
        <div className="grid items-start gap-6 lg:grid-cols-[minmax(0,1fr)_320px]">
          <Tabs label="How to write it" tabs={tabs} value={mode} onChange={change} />
          <Cost submission={submission} />
        </div>
      </PageBody>
    </>
  );
}

function readJson(text: string): { submission?: JobSubmissionInput; error?: string } {
  try {
    const value: unknown = JSON.parse(text);
    const parsed = JobSubmission.safeParse(value);
    if (parsed.success) return { submission: value as JobSubmissionInput };
    return { error: parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join('.')} ${issue.message}`).join('; ') };
  } catch (error) {
    return { error: error instanceof Error ? error.message : 'is not JSON' };
  }
}

function Cost({ submission }: { submission: JobSubmissionInput | undefined }) {
  const settled = useSettled(JSON.stringify(submission), 400);
  const asked = settled === undefined ? undefined : (JSON.parse(settled) as JobSubmissionInput);
  const quote = useApi('quoteJob', { body: asked ?? (EMPTY as JobSubmissionInput) }, { enabled: asked !== undefined, keep: true });
  const submit = useSubmit();
  const isCurrent = submission !== undefined && settled === JSON.stringify(submission) && quote.data !== undefined && !quote.isPlaceholderData;
  return (
    <Panel title="What it can cost" className="lg:sticky lg:top-20">
      <div className="flex flex-col gap-3 text-13">
        {!quote.data && !quote.error && <p className="text-dim">Name it, and say which image runs what: then the market says what it could cost.</p>}
        {quote.error && <Trouble error={quote.error} what="There is no price for this" />}
        {quote.data && (
          <div className={isCurrent ? 'flex flex-col gap-3' : 'stale flex flex-col gap-3'}>
            <p className="text-14">You cannot be charged more than <strong className="num">{usd(quote.data.max_charge_usd)}</strong>. It is set aside now; what is not used comes back when the job ends.</p>
            <p className="text-dim">{plural(quote.data.tasks, 'task')}; one copy costs up to <span className="num">{usd(quote.data.dph_per_execution)}/h</span>. {plural(quote.data.nodes_fitting, 'machine')} of {plural(quote.data.owners_fitting, 'owner')} fit, {quote.data.nodes_free_now} free now.</p>
            {quote.data.waiting_for && <Remark tone="attention">{quote.data.waiting_for.message}</Remark>}
            {quote.data.warnings.map((warning) => <Remark key={warning} tone="attention">{warning}</Remark>)}
          </div>
        )}
        {submit.error !== null && <Trouble error={submit.error} what="It was not submitted" money="Nothing was set aside." />}
        <Button look="primary" size="large" disabled={!isCurrent} busy={submit.isPending} onClick={() => submission && submit.start(submission)}>{isCurrent && quote.data ? `Submit for at most ${usd(quote.data.max_charge_usd)}` : 'Submit'}</Button>
      </div>
    </Panel>
  );
}

const EMPTY = {};

function useSubmit() {
  const router = useRouter();
  const [sent, setSent] = useState({ text: '', key: '' });
  const action = useAction('createJob', (job, queries) => {
    askAnew(queries, 'listJobs', 'getBalance');
    router.push(`/jobs/${job.id}`);
  });
  const start = (submission: JobSubmissionInput): void => {
    const text = JSON.stringify(submission);
    const one = sent.text === text && action.error === null ? sent : { text, key: crypto.randomUUID() };
    setSent(one);
    action.mutate({ body: submission, idempotencyKey: one.key });
  };
  return { start, error: action.error, isPending: action.isPending };
}
