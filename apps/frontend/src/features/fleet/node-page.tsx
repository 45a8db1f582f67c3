'use client';
import Link from 'next/link';
import { RefusedError } from '@muster/client';
import type { NodeView } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { Empty, Remark, Trouble, Waiting } from '@/components/ui/notice';
import { Fact, Facts, Figure, Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { Ago } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { count, gb, gib, percent, plural, shortId, usd, words } from '@/lib/format.rules';
import { ChartsPanel } from '../charts/charts-panel';
import { Evidence } from './evidence';
import { Findings } from './findings';
import { healthOf } from './health.rules';
import { Maintenance } from './maintenance';
import { NodeActions } from './node-actions';
import { PriceEditor } from './price-editor';

const EVERY_MS = 5_000;

export function NodePage({ id }: { id: string }) {
  const request = { params: { node_id: id } };
  const node = useApi('getNode', request, { every: EVERY_MS });
  const name = shortId('node', id);
  return (
    <>
      <TopLine
        title={node.data?.name ?? <>Machine <span className="num text-14">{name}</span></>}
        state={node.data && <span className="flex flex-wrap items-center gap-x-2"><StateWord state={node.data.status} /><span>{words(node.data.listing)}; {healthOf(node.data, node.data.preflight)}</span></span>}
        action={node.data && <NodeActions node={node.data} />}
        cli={[`muster node show ${name}`, `muster node drain ${name}`]}
        http={[{ name: 'getNode', request }]}
      />
      <PageBody>
        {node.isPending && <Panel flush><Waiting rows={8} /></Panel>}
        {node.error && !node.data && <NotThere error={node.error} onRetry={() => void node.refetch()} />}
        {node.data && <Sections node={node.data} />}
      </PageBody>
    </>
  );
}

function NotThere({ error, onRetry }: { error: Error; onRetry: () => void }) {
  if (error instanceof RefusedError && (error.problem.code === 'not_found' || error.problem.code === 'invalid_request')) {
    return <Panel><Empty title="There is no such machine in this account" action={<Button asChild look="primary"><Link href="/fleet">Your machines</Link></Button>}>The address may be of another account, or mistyped.</Empty></Panel>;
  }
  return <Trouble error={error} what="The machine could not be loaded" money="It goes on serving." onRetry={onRetry} />;
}

function Sections({ node }: { node: NodeView }) {
  return (
    <div className="flex flex-col gap-4">
      <div className="grid grid-cols-2 gap-4 rounded-panel border border-line bg-panel p-4 md:grid-cols-4">
        <Figure name="Earned" value={usd(node.earned_usd, 4)} note="all time" />
        <Figure name="Rentals now" value={count(node.active_rentals)} />
        <Figure name="Reputation" value={node.reputation} note="of 200" />
        <Figure name="Reliability" value={percent(node.reliability)} note={<Reliability node={node} />} />
      </div>
      {node.agent_outdated && <Panel><Remark tone="attention">Its agent is of version <span className="num">{node.agent_version}</span>, older than this market. On the machine: <code className="num">git pull && ./muster node join</code>; what runs on it goes on meanwhile.</Remark></Panel>}
      <Findings nodeId={node.id} />
      {node.gpus.length > 0 && <Gpus node={node} />}
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_380px]">
        <div className="flex min-w-0 flex-col gap-4">
          <Use node={node} />
          <ChartsPanel of={{ kind: 'node', id: node.id }} isLive={node.presence === 'online'} />
          <Evidence records={node.preflight} title="Evidence" advice />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          {node.actions.includes('price') && <PriceEditor node={node} />}
          {node.lifecycle !== 'retired' && <Maintenance nodeId={node.id} />}
          <What node={node} />
        </div>
      </div>
    </div>
  );
}

function Reliability({ node }: { node: NodeView }) {
  const { window_days, down_minutes, starts_ok, starts_failed } = node.reliability_parts;
  return <>{window_days} days: {plural(Math.round(down_minutes), 'minute')} down, {starts_ok} of {plural(starts_ok + starts_failed, 'start')} worked</>;
}

function Gpus({ node }: { node: NodeView }) {
  return (
    <Panel title="GPUs" note={`${node.used.gpus} of ${node.num_gpus} rented`}>
      <ul className="grid gap-3 sm:grid-cols-2 xl:grid-cols-4">
        {node.gpus.map((gpu) => (
          <li key={gpu.uuid} className="rounded-control border border-line p-3">
            <p className="flex items-center justify-between gap-2 text-13"><span className="num text-dim">{gpu.index}</span><StateWord state={gpu.state} tone={gpu.state === 'ok' ? (gpu.rental_id ? 'running' : 'offline') : 'failed'} label={gpu.state === 'ok' ? (gpu.rental_id ? 'rented' : 'idle') : gpu.state} /></p>
            <p className="mt-1 text-14">{gpu.name}</p>
            <p className="num mt-0.5 text-12 text-dim">{gib(gpu.gpu_ram_mb)}</p>
            <p className="num mt-1 truncate text-12 text-dim" title={gpu.uuid}>{gpu.uuid}</p>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function Use({ node }: { node: NodeView }) {
  const bars: [string, number, number, (value: number) => string][] = [
    ['vCPU', node.used.cpu_cores, node.cpu_cores, count],
    ['RAM', node.used.ram_mb, node.cpu_ram_mb, gib],
    ['Disk', node.used.disk_gb, node.disk_gb, gb],
  ];
  return (
    <Panel title="In use" note="What rentals and jobs hold of it">
      <div className="flex flex-col gap-3">
        {bars.map(([name, used, all, format]) => (
          <div key={name} className="grid grid-cols-[56px_minmax(0,1fr)_150px] items-center gap-3 text-13">
            <span className="text-dim" id={`use-${name}`}>{name}</span>
            <span role="meter" aria-labelledby={`use-${name}`} aria-valuemin={0} aria-valuemax={all} aria-valuenow={Math.min(used, all)} className="h-2 overflow-hidden rounded-full bg-sunken"><span className="block h-full bg-ink/70" style={{ width: `${all > 0 ? Math.min(100, (used / all) * 100) : 0}%` }} /></span>
            <span className="num text-right">{format(used)}<span className="text-dim"> of {format(all)}</span></span>
          </div>
        ))}
      </div>
    </Panel>
  );
}

function What({ node }: { node: NodeView }) {
  const { inventory } = node;
  return (
    <Panel title="What it is">
      <Facts className="grid-cols-2">
        <Fact name="CPU" mono={false} className="col-span-2">{node.cpu_name}</Fact>
        <Fact name="Host name">{inventory.hostname}</Fact>
        <Fact name="Agent">{inventory.agent_version}</Fact>
        <Fact name="System" mono={false}>{inventory.os}</Fact>
        <Fact name="Kernel"><span className="break-all">{inventory.kernel}</span></Fact>
        <Fact name="Driver">{inventory.driver_version ?? 'none'}</Fact>
        <Fact name="Engine">{inventory.docker?.version ?? 'none'}</Fact>
        <Fact name="Isolation">{node.isolation}</Fact>
        <Fact name="Place">{[node.geolocation, node.region].filter(Boolean).join(', ') || 'not said'}</Fact>
        <Fact name="Joined"><Ago at={node.registered_at} /></Fact>
        <Fact name="Heartbeat">{node.last_heartbeat ? <Ago at={node.last_heartbeat} /> : 'none yet'}</Fact>
      </Facts>
      <p className="num mt-4 text-12 break-all text-dim">{node.id}</p>
    </Panel>
  );
}
