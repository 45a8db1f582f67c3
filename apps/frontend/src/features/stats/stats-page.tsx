'use client';
import Link from 'next/link';
import type { NodeSummary } from '@muster/shared-types';
import { useFrame } from '@/components/frame/providers';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { type Column, DataTable } from '@/components/ui/data-table';
import { Empty, Trouble, Waiting } from '@/components/ui/notice';
import { Figure, Of, Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { Ago } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { count, gib, percent, plural } from '@/lib/format.rules';
import { sizeOf } from '../fleet/fleet-page';

const EVERY_MS = 10_000;

const COLUMNS: readonly Column<NodeSummary>[] = [
  { id: 'state', title: 'State', className: 'w-32', cell: ({ status }) => <StateWord state={status} /> },
  { id: 'name', title: 'Machine', cell: ({ name }) => <span className="text-14">{name}</span> },
  { id: 'what', title: 'What it is', cell: (node) => sizeOf(node) },
  { id: 'place', title: 'Place', className: 'max-md:hidden', cell: ({ geolocation }) => <span className="num">{geolocation ?? '–'}</span> },
  { id: 'isolation', title: 'Isolation', className: 'max-lg:hidden', cell: ({ isolation }) => isolation },
  { id: 'reputation', title: 'Reputation', right: true, cell: ({ reputation }) => <span className="num">{reputation}</span> },
  { id: 'reliability', title: 'Reliability', right: true, cell: ({ reliability }) => <span className="num">{percent(reliability)}</span> },
  { id: 'since', title: 'Joined', right: true, className: 'max-md:hidden', cell: ({ registered_at }) => <Ago at={registered_at} className="num text-dim" /> },
];

const sum = (counts: Record<string, number>, ...names: string[]): number => names.reduce((total, name) => total + (counts[name] ?? 0), 0);

export function StatsPage() {
  const stats = useApi('stats', {}, { every: EVERY_MS });
  const data = stats.data;
  return (
    <>
      <TopLine title="Stats" state={data && <>The whole market, <Ago at={data.as_of} /></>} action={<Button asChild><Link href="/wall">Contributor wall</Link></Button>} cli={['muster stats', 'muster nodes']} http={[{ name: 'stats', request: {} }, { name: 'listNodes', request: { query: { of: 'market' } } }]} />
      <PageBody>
        <div className="flex flex-col gap-4">
          {stats.isPending && <Panel flush><Waiting rows={4} /></Panel>}
          {stats.error && !data && <Trouble error={stats.error} what="The figures could not be loaded" onRetry={() => void stats.refetch()} />}
          {data && (
            <div className="grid grid-cols-2 gap-x-4 gap-y-6 rounded-panel border border-line bg-panel p-4 md:grid-cols-4">
              <Figure name="Machines online" value={count(sum(data.nodes, 'online', 'busy', 'draining'))} note={`${count(sum(data.nodes, 'busy'))} full, ${count(sum(data.nodes, 'offline', 'unreachable'))} not heard of`} />
              <Figure name="GPUs rented" value={<Of part={count(data.gpus.rented)} whole={count(data.gpus.total)} />} />
              <Figure name="vCPU in use" value={<Of part={count(data.capacity.cpu_cores_used)} whole={count(data.capacity.cpu_cores)} />} />
              <Figure name="RAM in use" value={gib(data.capacity.ram_mb_used)} note={`of ${gib(data.capacity.ram_mb)}`} />
              <Figure name="Rentals running" value={count(sum(data.rentals, 'running'))} note={`${count(sum(data.rentals, 'ended'))} ended, ${count(sum(data.rentals, 'failed', 'lost'))} failed or lost`} />
              <Figure name="Jobs under way" value={count(sum(data.jobs, 'pending', 'scheduled', 'running', 'verifying'))} note={`${count(sum(data.jobs, 'completed'))} completed, ${count(sum(data.jobs, 'failed'))} failed`} />
              <Figure name="Found agreement" value={data.consensus_rate === null ? '–' : percent(data.consensus_rate)} note={data.consensus_rate === null ? 'no task decided yet' : 'of decided tasks'} />
              <Figure name="Accounts" value={count(data.users)} />
            </div>
          )}
          <Machines />
        </div>
      </PageBody>
    </>
  );
}

function Machines() {
  const { signedIn } = useFrame();
  const nodes = useApi('listNodes', { query: { of: 'market', limit: 200 } }, { enabled: signedIn, every: EVERY_MS });
  if (!signedIn) return null;
  return (
    <Panel flush title="Machines" note={nodes.data && plural(nodes.data.items.length, 'machine')}>
      {nodes.isPending && <Waiting rows={4} />}
      {nodes.error && !nodes.data && <Trouble className="m-4" error={nodes.error} what="The machines could not be loaded" onRetry={() => void nodes.refetch()} />}
      {nodes.data && (nodes.data.items.length > 0 ? <DataTable label="Machines of the market" columns={COLUMNS} rows={nodes.data.items} rowKey={({ id }) => id} /> : <Empty title="No machine is on this market yet" action={<Button asChild look="primary"><Link href="/fleet/add">Add a machine</Link></Button>} />)}
    </Panel>
  );
}
