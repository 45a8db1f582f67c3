'use client';
import type { OperatorNode } from '@muster/shared-types';
import { Button } from '@/components/ui/button';
import type { Column } from '@/components/ui/data-table';
import { StateWord } from '@/components/ui/state-word';
import { Ago } from '@/components/ui/time';
import { askAnew, useAction, useApi } from '@/lib/api';
import { count, percent, words } from '@/lib/format.rules';
import { sizeOf } from '../fleet/fleet-page';
import { found, FoundList } from './found-list';
import { WithReason } from './with-reason';

const COLUMNS: readonly Column<OperatorNode>[] = [
  { id: 'state', title: 'State', className: 'w-32', cell: ({ status }) => <StateWord state={status} /> },
  { id: 'name', title: 'Machine', cell: ({ name }) => <span className="text-14">{name}</span> },
  { id: 'owner', title: 'Owner', cell: ({ owner_email }) => owner_email },
  { id: 'what', title: 'What it is', className: 'max-md:hidden', cell: (node) => sizeOf(node) },
  { id: 'listing', title: 'On the market', className: 'max-lg:hidden', cell: ({ listing }) => words(listing) },
  { id: 'rentals', title: 'Rentals', right: true, cell: ({ live_rentals }) => <span className="num">{count(live_rentals)}</span> },
  { id: 'reliability', title: 'Reliability', right: true, className: 'max-md:hidden', cell: ({ reliability }) => <span className="num">{percent(reliability)}</span> },
  { id: 'agent', title: 'Agent', right: true, className: 'max-lg:hidden', cell: ({ agent_version, agent_outdated }) => <span className={agent_outdated ? 'num text-attention' : 'num text-dim'}>{agent_version || '–'}{agent_outdated && ' old'}</span> },
  { id: 'seen', title: 'Heartbeat', right: true, className: 'max-md:hidden', cell: ({ last_heartbeat }) => (last_heartbeat ? <Ago at={last_heartbeat} className="num text-dim" /> : <span className="text-dim">never</span>) },
  { id: 'act', title: '', right: true, cell: (node) => <Quarantine node={node} /> },
];

export function Nodes() {
  return <FoundList title="Machines" placeholder="name, owner, or an id" columns={COLUMNS} rowKey={({ id }) => id} usePage={(q, cursor) => useApi('listAllNodes', { query: found(q, cursor) }, { keep: true, every: 15_000 })} />;
}

function Quarantine({ node }: { node: OperatorNode }) {
  const params = { node_id: node.id };
  const take = useAction('quarantineNode', (_, queries) => askAnew(queries, 'listAllNodes'));
  const release = useAction('releaseNode', (_, queries) => askAnew(queries, 'listAllNodes'));
  if (node.lifecycle === 'retired') return null;
  if (node.lifecycle === 'quarantined') return <Button size="small" look="quiet" busy={release.isPending} onClick={() => release.mutate({ params })}>Check again</Button>;
  return <WithReason verb="Quarantine" whom={node.name} means="It is out of the market until an operator has it checked again. What runs on it goes on." isPending={take.isPending} error={take.error} run={(reason, close) => take.mutate({ params, body: { reason } }, { onSuccess: close })} />;
}
