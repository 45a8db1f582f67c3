'use client';
import type { OperatorEvent, OperatorJob, OperatorRental } from '@muster/shared-types';
import type { Column } from '@/components/ui/data-table';
import { StateWord } from '@/components/ui/state-word';
import { Ago, When } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { count, rate, shortId, usd, words } from '@/lib/format.rules';
import { found, FoundList } from './found-list';

const RENTALS: readonly Column<OperatorRental>[] = [
  { id: 'state', title: 'State', className: 'w-32', cell: ({ status }) => <StateWord state={status} /> },
  { id: 'id', title: 'Rental', cell: ({ id }) => <span className="num" title={id}>{shortId('rental', id)}</span> },
  { id: 'renter', title: 'Renter', cell: ({ renter_email }) => renter_email },
  { id: 'node', title: 'Machine', cell: ({ node_name }) => node_name },
  { id: 'rate', title: 'Rate', right: true, cell: ({ dph_total }) => <span className="num">{rate(dph_total)}</span> },
  { id: 'settled', title: 'Settled', right: true, cell: ({ settled_usd }) => <span className="num">{usd(settled_usd, 4)}</span> },
  { id: 'why', title: 'Ended by', className: 'max-lg:hidden', cell: ({ end_reason, released }) => <span className="text-dim">{end_reason ? words(end_reason) : '–'}{end_reason && !released ? ', not released' : ''}</span> },
  { id: 'at', title: 'Rented', right: true, cell: ({ created_at }) => <Ago at={created_at} className="num text-dim" /> },
];

export function Rentals() {
  return <FoundList title="Rentals" placeholder="renter, or an id" columns={RENTALS} rowKey={({ id }) => id} usePage={(q, cursor) => useApi('listAllRentals', { query: { ...found(q, cursor), state: 'all' } }, { keep: true, every: 15_000 })} />;
}

const JOBS: readonly Column<OperatorJob>[] = [
  { id: 'state', title: 'State', className: 'w-32', cell: ({ status }) => <StateWord state={status} /> },
  { id: 'name', title: 'Job', cell: ({ name }) => <span className="block max-w-64 truncate text-14">{name}</span> },
  { id: 'who', title: 'Submitted by', cell: ({ submitter_email }) => submitter_email },
  { id: 'tasks', title: 'Tasks', right: true, cell: ({ tasks_final, tasks_total, tasks_failed }) => <span className="num">{count(tasks_final)}<span className="text-dim"> of {count(tasks_total)}</span>{tasks_failed > 0 && <span className="text-failed"> · {count(tasks_failed)} failed</span>}</span> },
  { id: 'error', title: 'Fault', className: 'max-lg:hidden', cell: ({ error_message }) => <span className="block max-w-80 truncate text-dim">{error_message ?? '–'}</span> },
  { id: 'at', title: 'Submitted', right: true, cell: ({ submitted_at }) => <Ago at={submitted_at} className="num text-dim" /> },
];

export function Jobs() {
  return <FoundList title="Jobs" placeholder="name, submitter, or an id" columns={JOBS} rowKey={({ id }) => id} usePage={(q, cursor) => useApi('listAllJobs', { query: found(q, cursor) }, { keep: true, every: 15_000 })} />;
}

const EVENTS: readonly Column<OperatorEvent>[] = [
  { id: 'at', title: 'When', className: 'w-44', cell: ({ at }) => <When at={at} className="num text-12 text-dim" /> },
  { id: 'name', title: 'What', cell: ({ name }) => name },
  { id: 'actor', title: 'By', cell: ({ actor_email }) => actor_email ?? <span className="text-dim">the market</span> },
  { id: 'about', title: 'About', cell: ({ aggregate_id }) => <span className="num text-12 text-dim" title={aggregate_id}>…{aggregate_id.slice(-8)}</span> },
  { id: 'payload', title: '', className: 'max-md:hidden', cell: ({ payload }) => <code className="num block max-w-[60ch] truncate text-12 text-dim" title={JSON.stringify(payload, null, 1)}>{JSON.stringify(payload)}</code> },
];

/** `q` of this list is the id of what the events are about. */
const aboutOf = (q: string): { about?: string; name?: string } => (/^[0-9a-f-]{36}$/i.test(q) ? { about: q } : q === '' ? {} : { name: q });

export function Events() {
  return <FoundList title="Audit trail" placeholder="name of an event, or an id" columns={EVENTS} rowKey={({ id }) => id} usePage={(q, cursor) => useApi('listEvents', { query: { limit: 50, ...aboutOf(q), ...(cursor !== undefined && { cursor }) } }, { keep: true })} />;
}
