'use client';
import type { OperatorUser } from '@muster/shared-types';
import { Button } from '@/components/ui/button';
import type { Column } from '@/components/ui/data-table';
import { StateWord } from '@/components/ui/state-word';
import { Ago } from '@/components/ui/time';
import { askAnew, useAction, useApi } from '@/lib/api';
import { count, usd } from '@/lib/format.rules';
import { found, FoundList } from './found-list';
import { WithReason } from './with-reason';

const COLUMNS: readonly Column<OperatorUser>[] = [
  { id: 'state', title: 'State', className: 'w-32', cell: ({ suspended_at, is_operator }) => <StateWord state={suspended_at ? 'suspended' : 'ok'} label={suspended_at ? 'suspended' : is_operator ? 'operator' : 'good'} /> },
  { id: 'email', title: 'Account', cell: ({ email }) => <span className="text-14">{email}</span> },
  { id: 'balance', title: 'Balance', right: true, cell: ({ balance_usd }) => <span className="num">{usd(balance_usd, 4)}</span> },
  { id: 'nodes', title: 'Machines', right: true, cell: ({ nodes }) => <span className="num">{count(nodes)}</span> },
  { id: 'rentals', title: 'Live rentals', right: true, cell: ({ live_rentals }) => <span className="num">{count(live_rentals)}</span> },
  { id: 'jobs', title: 'Open jobs', right: true, className: 'max-md:hidden', cell: ({ open_jobs }) => <span className="num">{count(open_jobs)}</span> },
  { id: 'at', title: 'Since', right: true, className: 'max-md:hidden', cell: ({ created_at }) => <Ago at={created_at} className="num text-dim" /> },
  { id: 'act', title: '', right: true, cell: (user) => (user.is_operator ? null : <Suspension user={user} />) },
];

export function Users() {
  return <FoundList title="Accounts" placeholder="part of an e-mail, or an id" columns={COLUMNS} rowKey={({ id }) => id} usePage={(q, cursor) => useApi('listUsers', { query: found(q, cursor) }, { keep: true })} />;
}

function Suspension({ user }: { user: OperatorUser }) {
  const suspend = useAction('suspendUser', (_, queries) => askAnew(queries, 'listUsers', 'listAllRentals', 'listAllNodes'));
  const unsuspend = useAction('unsuspendUser', (_, queries) => askAnew(queries, 'listUsers'));
  if (user.suspended_at) return <Button size="small" look="quiet" busy={unsuspend.isPending} onClick={() => unsuspend.mutate({ params: { user_id: user.id } })}>Let in again</Button>;
  return <WithReason verb="Suspend" whom={user.email} means="Its sessions and keys are refused at once; its rentals, its jobs and what runs on its machines end." isPending={suspend.isPending} error={suspend.error} run={(reason, close) => suspend.mutate({ params: { user_id: user.id }, body: { reason } }, { onSuccess: close })} />;
}
