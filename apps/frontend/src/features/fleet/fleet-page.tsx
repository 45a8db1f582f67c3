'use client';
import Link from 'next/link';
import { useQueries } from '@tanstack/react-query';
import { Server } from 'lucide-react';
import type { EarningsDay, NodeSummary, NodeUtilisation, NodeView } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { type Column, DataTable } from '@/components/ui/data-table';
import { Empty, Trouble, Waiting } from '@/components/ui/notice';
import { Figure, Of, Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { Ago } from '@/components/ui/time';
import { api, useApi } from '@/lib/api';
import { count, gib, percent, plural, sumUsd, usd, words } from '@/lib/format.rules';
import { Strip } from './strip';
import { healthOf } from './health.rules';

const EVERY_MS = 10_000;
/** As many machines are asked for what only their owner sees. */
const DETAILED = 50;

interface Row {
  node: NodeSummary;
  view: NodeView | undefined;
  hours: NodeUtilisation['hours'] | undefined;
  /** Settled today and in the last 30 days, in USD. */
  earned: { today: string; month: string } | undefined;
}

const COLUMNS: readonly Column<Row>[] = [
  { id: 'state', title: 'State', className: 'w-32', cell: ({ node }) => <StateWord state={node.status} /> },
  { id: 'name', title: 'Machine', cell: ({ node }) => <Link href={`/fleet/${node.id}`} className="text-14 after:absolute after:inset-0">{node.name}</Link> },
  { id: 'what', title: 'What it is', cell: ({ node }) => <>{sizeOf(node)}</> },
  { id: 'listing', title: 'On the market', className: 'max-md:hidden', cell: ({ node }) => words(node.listing) },
  { id: 'used', title: 'In use', right: true, cell: ({ view }) => (view ? <Used view={view} /> : <span className="text-dim">–</span>) },
  { id: 'rentals', title: 'Rentals', right: true, cell: ({ view }) => <span className="num">{view?.active_rentals ?? '–'}</span> },
  { id: 'day', title: '24 hours', cell: ({ hours }) => (hours ? <Strip hours={hours} /> : <span className="text-dim">–</span>) },
  { id: 'today', title: 'Today', right: true, cell: ({ earned }) => <span className="num">{earned ? usd(earned.today, 4) : '–'}</span> },
  { id: 'earned', title: '30 days', right: true, className: 'max-md:hidden', cell: ({ earned }) => <span className="num">{earned ? usd(earned.month, 4) : '–'}</span> },
  { id: 'reliability', title: 'Reliability', right: true, className: 'max-md:hidden', cell: ({ node }) => <span className="num">{percent(node.reliability)}</span> },
  { id: 'health', title: 'Health', className: 'max-lg:hidden', cell: ({ node, view }) => <span className="text-dim">{healthOf(node, view?.preflight)}</span> },
  { id: 'seen', title: 'Heartbeat', right: true, className: 'max-lg:hidden', cell: ({ node }) => (node.last_heartbeat ? <Ago at={node.last_heartbeat} className="num text-dim" /> : <span className="text-dim">none yet</span>) },
];

export const sizeOf = (node: Pick<NodeSummary, 'num_gpus' | 'gpu_name' | 'cpu_cores' | 'cpu_ram_mb'>): string =>
  `${node.num_gpus > 0 ? `${node.num_gpus} × ${node.gpu_name ?? 'GPU'}, ` : ''}${node.cpu_cores} vCPU, ${gib(node.cpu_ram_mb)}`;

/** What of it is taken: GPUs where it has some, else vCPU. */
function Used({ view }: { view: NodeView }) {
  const [used, all, name] = view.num_gpus > 0 ? [view.used.gpus, view.num_gpus, 'GPU'] : [view.used.cpu_cores, view.cpu_cores, 'vCPU'];
  return <span className="num">{used}<span className="text-dim"> of {all} {name}</span></span>;
}

export function FleetPage() {
  const request = { query: { of: 'mine' as const, limit: 200 } };
  const nodes = useApi('listNodes', request, { every: EVERY_MS });
  const balance = useApi('getBalance', {});
  const items = nodes.data?.items ?? [];
  const views = useQueries({ queries: items.slice(0, DETAILED).map(({ id }) => ({ queryKey: ['getNode', { params: { node_id: id } }] as const, queryFn: () => api().call('getNode', { params: { node_id: id } }), refetchInterval: EVERY_MS })) });
  const utilisation = useApi('listUtilisation', {}, { every: 60_000 });
  const earnings = useApi('listEarnings', { query: { days: 30 } }, { every: 60_000 });
  const rows = items.map((node, index): Row => ({ node, view: views[index]?.data, hours: utilisation.data?.items.find(({ node_id }) => node_id === node.id)?.hours, earned: earnings.data && earnedBy(node.id, earnings.data) }));
  const known = rows.flatMap(({ view }) => (view ? [view] : []));
  return (
    <>
      <TopLine title="Fleet" state={nodes.data && stateOf(items)} action={<Button asChild look="primary"><Link href="/fleet/add">Add a machine</Link></Button>} cli={['muster node ls']} http={[{ name: 'listNodes', request }]} />
      <PageBody>
        <div className="flex flex-col gap-4">
          {items.length > 0 && (
            <div className="grid grid-cols-2 gap-4 rounded-panel border border-line bg-panel p-4 md:grid-cols-4">
              <Figure name="Earned, all time" value={balance.data ? usd(balance.data.earnings_usd, 4) : '…'} />
              <Figure name="Rented now" value={count(known.reduce((sum, view) => sum + view.active_rentals, 0))} note={plural(items.length, 'machine')} />
              <Figure name="GPUs in use" value={<Of part={known.reduce((sum, view) => sum + view.used.gpus, 0)} whole={items.reduce((sum, node) => sum + node.num_gpus, 0)} />} />
              <Figure name="vCPU in use" value={<Of part={known.reduce((sum, view) => sum + view.used.cpu_cores, 0)} whole={items.reduce((sum, node) => sum + node.cpu_cores, 0)} />} />
            </div>
          )}
          <Panel flush title="Your machines">
            {nodes.isPending && <Waiting rows={4} />}
            {nodes.error && !nodes.data && <Trouble className="m-4" error={nodes.error} what="Your machines could not be loaded" money="They go on serving." onRetry={() => void nodes.refetch()} />}
            {nodes.data && (items.length > 0 ? <DataTable label="Machines" columns={COLUMNS} rows={rows} rowKey={({ node }) => node.id} /> : <NoMachines />)}
          </Panel>
        </div>
      </PageBody>
    </>
  );
}

function earnedBy(nodeId: string, { days, to }: { days: readonly EarningsDay[]; to: string }): { today: string; month: string } {
  const own = days.filter(({ node_id }) => node_id === nodeId);
  return { today: sumUsd(own.filter(({ day }) => day === to).map(({ total_usd }) => total_usd)), month: sumUsd(own.map(({ total_usd }) => total_usd)) };
}

function stateOf(items: readonly NodeSummary[]): string {
  if (items.length === 0) return 'No machine of yours is on this market';
  const up = items.filter(({ presence }) => presence === 'online').length;
  return `${up} of ${plural(items.length, 'machine')} online, ${items.filter(({ listing }) => listing === 'listed').length} on the market`;
}

function NoMachines() {
  return (
    <Empty icon={<Server />} title="Offer a machine" action={<Button asChild look="primary"><Link href="/fleet/add">Add a machine</Link></Button>}>
      One command on it, as root. It runs an engine, a network and a firewall of its own; its Docker and its files stay untouched, and no port of it is opened. You set the price; you are paid for every second that somebody rents.
    </Empty>
  );
}
