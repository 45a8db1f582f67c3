'use client';
import Link from 'next/link';
import { useRouter, useSearchParams } from 'next/navigation';
import { SquareTerminal } from 'lucide-react';
import type { RentalView } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { type Column, DataTable } from '@/components/ui/data-table';
import { Empty, Trouble, Waiting } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { Ago, Since, Until } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { plural, rate, shortId, sumUsd, usd } from '@/lib/format.rules';
import { LiveCost } from './live-cost';
import { isOver, whatOf } from './rental.rules';

const EVERY_MS = 5_000;

const COLUMNS: readonly Column<RentalView>[] = [
  { id: 'state', title: 'State', className: 'w-32', cell: ({ status, phase }) => <StateWord state={status} label={status === 'starting' && phase ? phase : status} /> },
  { id: 'id', title: 'Rental', cell: ({ id }) => <Link href={`/rentals/${id}`} className="num after:absolute after:inset-0">{shortId('rental', id)}</Link> },
  { id: 'what', title: 'What', cell: (rental) => <>{whatOf(rental)} <span className="text-dim">· {rental.template}</span></> },
  { id: 'node', title: 'Machine', className: 'max-md:hidden', cell: ({ node_name }) => node_name },
  { id: 'since', title: 'For', right: true, cell: (rental) => <span className="num">{rental.start_time ? <Since at={rental.start_time} until={rental.end_time} /> : '–'}</span> },
  { id: 'rate', title: 'Rate', right: true, cell: ({ billing }) => <span className="num">{rate(billing.dph_total)}</span> },
  { id: 'cost', title: 'Cost', right: true, cell: (rental) => <LiveCost rental={rental} /> },
  { id: 'end', title: 'Ends', right: true, className: 'max-md:hidden', cell: (rental) => <Ending rental={rental} /> },
];

function Ending({ rental }: { rental: RentalView }) {
  if (rental.end_time) return <Ago at={rental.end_time} className="num text-dim" />;
  return rental.billing.deadline_at ? <span className="num">in <Until at={rental.billing.deadline_at} /></span> : <span className="text-dim">open</span>;
}

export function RentalsPage() {
  const all = useSearchParams().get('state') === 'all';
  const router = useRouter();
  const request = { query: { state: all ? ('all' as const) : ('live' as const), limit: 100 } };
  const rentals = useApi('listRentals', request, { every: EVERY_MS, keep: true });
  const items = rentals.data?.items ?? [];
  return (
    <>
      <TopLine title="Rentals" state={rentals.data && stateOf(items)} action={<Button asChild look="primary"><Link href="/market">Rent a machine</Link></Button>} cli={[all ? 'muster ls --all' : 'muster ls']} http={[{ name: 'listRentals', request }]} />
      <PageBody>
        <Panel flush title={all ? 'All rentals' : 'Live rentals'} action={<Button size="small" look="quiet" onClick={() => router.replace(all ? '/rentals' : '/rentals?state=all')}>{all ? 'Only live ones' : 'Show ended ones too'}</Button>}>
          {rentals.isPending && <Waiting rows={4} />}
          {rentals.error && !rentals.data && <Trouble className="m-4" error={rentals.error} what="Your rentals could not be loaded" money="They go on, and so does their billing." onRetry={() => void rentals.refetch()} />}
          {rentals.data && (items.length > 0 ? <DataTable label="Rentals" columns={COLUMNS} rows={items} rowKey={({ id }) => id} /> : <NoRentals all={all} />)}
        </Panel>
      </PageBody>
    </>
  );
}

function stateOf(items: readonly RentalView[]): string {
  const live = items.filter((rental) => !isOver(rental));
  if (live.length === 0) return 'Nothing runs, nothing is billed';
  const running = live.filter(({ status }) => status === 'running');
  return `${plural(live.length, 'rental')} live, ${usd(sumUsd(running.map(({ billing }) => billing.dph_total)), 3)}/h`;
}

function NoRentals({ all }: { all: boolean }) {
  return (
    <Empty icon={<SquareTerminal />} title={all ? 'You have not rented anything yet' : 'Nothing runs at present'} action={<Button asChild look="primary"><Link href="/market">See what is for rent</Link></Button>}>
      A rental is a container on somebody’s machine with SSH, a disk of its own and public ports. It is billed by the second while you can reach it.
    </Empty>
  );
}
