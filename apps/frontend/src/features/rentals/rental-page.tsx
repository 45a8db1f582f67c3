'use client';
import { useState } from 'react';
import Link from 'next/link';
import { RefusedError } from '@muster/client';
import type { RentalView } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { Empty, Remark, Trouble, Waiting } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { Since } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { useLiveState } from '@/lib/live';
import { rate, shortId, usd } from '@/lib/format.rules';
import { Bill } from './bill';
import { ConnectionCard } from './connection-card';
import { Destroy } from './destroy';
import { EventsPanel } from './events-panel';
import { LiveCost } from './live-cost';
import { ChartsPanel } from '../charts/charts-panel';
import { TerminalPanel } from '../terminal/terminal-panel';
import { LogsPanel } from './logs-panel';
import { StopStart } from './stop-start';
import { Phases } from './phases';
import { useRentalRoom } from './use-rental-room';
import { askEveryMs, endWords, isOver, whatOf } from './rental.rules';

export function RentalPage({ id }: { id: string }) {
  const request = { params: { rental_id: id } };
  const isLive = useLiveState() === 'live';
  const rental = useApi('getRental', request, { every: (known) => askEveryMs(known, isLive) });
  useRentalRoom(id, rental.data !== undefined && !isOver(rental.data));
  const name = shortId('rental', id);
  const data = rental.data;
  return (
    <>
      <TopLine
        title={<>Rental <span className="num text-14">{name}</span></>}
        state={data && <State rental={data} />}
        action={data && <Actions rental={data} />}
        cli={[`muster ssh ${name}`, `muster logs ${name}`, `muster destroy ${name}`]}
        http={[{ name: 'getRental', request }, { name: 'destroyRental', request }]}
      />
      <PageBody>
        {rental.isPending && <Panel flush><Waiting rows={8} /></Panel>}
        {rental.error && !data && <NotThere error={rental.error} onRetry={() => void rental.refetch()} />}
        {data && <Sections rental={data} />}
      </PageBody>
    </>
  );
}

function State({ rental }: { rental: RentalView }) {
  return (
    <span className="flex flex-wrap items-center gap-x-2">
      <StateWord state={rental.status} />
      {rental.status === 'running' && rental.start_time && <span>for <Since at={rental.start_time} className="num" />, <LiveCost rental={rental} /> so far</span>}
      {rental.status === 'starting' && <span>free until it can be reached</span>}
      {rental.status === 'stopped' && <span>its disk is kept for {rate(rental.billing.stopped_dph)}; <LiveCost rental={rental} /> so far</span>}
      {isOver(rental) && rental.end_reason && <span>{endWords(rental.end_reason)}; it cost {usd(rental.billing.cost_usd)}</span>}
    </span>
  );
}

function Actions({ rental }: { rental: RentalView }) {
  const [asking, setAsking] = useState(false);
  if (!rental.actions.includes('destroy')) return null;
  return (
    <>
      <StopStart rental={rental} />
      <Button look="danger" onClick={() => setAsking(true)}>Destroy</Button>
      {asking && <Destroy rental={rental} onClose={() => setAsking(false)} />}
    </>
  );
}

function NotThere({ error, onRetry }: { error: Error; onRetry: () => void }) {
  if (error instanceof RefusedError && (error.problem.code === 'not_found' || error.problem.code === 'invalid_request')) {
    return <Panel><Empty title="There is no such rental in this account" action={<Button asChild look="primary"><Link href="/rentals">Your rentals</Link></Button>}>The address may be of another account, or mistyped.</Empty></Panel>;
  }
  return <Trouble error={error} what="The rental could not be loaded" money="It goes on, and so does its billing." onRetry={onRetry} />;
}

function Sections({ rental }: { rental: RentalView }) {
  return (
    <div className="flex flex-col gap-4">
      {rental.fault && <Panel><Remark tone="attention"><strong>{rental.fault.message}</strong> <code className="num text-12">{rental.fault.code}</code>{isOver(rental) && rental.start_time === null && ' It never ran, so it cost nothing.'}</Remark></Panel>}
      {rental.warnings.map((warning) => <Remark key={warning} tone="attention">{warning}</Remark>)}
      {!isOver(rental) && (rental.status === 'pending' || rental.status === 'starting') && <Phases rental={rental} />}
      {rental.connection && rental.status === 'running' && <ConnectionCard rental={rental} connection={rental.connection} />}
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_360px]">
        <div className="flex min-w-0 flex-col gap-4">
          {rental.start_time && <ChartsPanel of={{ kind: 'instance', id: rental.id }} isLive={rental.status === 'running'} />}
          {rental.status === 'running' && <TerminalPanel rentalId={rental.id} />}
          {rental.actions.includes('logs') && <LogsPanel rentalId={rental.id} isLive={rental.status === 'running'} />}
          <EventsPanel rentalId={rental.id} isLive={!isOver(rental)} status={rental.status} />
        </div>
        <div className="flex min-w-0 flex-col gap-4">
          <Bill rental={rental} />
          <What rental={rental} />
        </div>
      </div>
    </div>
  );
}

function What({ rental }: { rental: RentalView }) {
  const rows: [string, React.ReactNode][] = [
    ['Machine', rental.node_name],
    ['Size', whatOf(rental)],
    ['Disk', `${rental.disk_gb} GB at /workspace`],
    ['Template', rental.template],
    ['Image', <span key="image" className="num break-all">{rental.image}</span>],
    ['Rate', rate(rental.billing.dph_total)],
    ['Id', <span key="id" className="num break-all">{rental.id}</span>],
  ];
  return (
    <Panel title="What it is">
      <dl className="grid grid-cols-[80px_minmax(0,1fr)] gap-y-1.5 text-13">
        {rows.map(([name, value]) => <div key={name} className="contents"><dt className="text-dim">{name}</dt><dd className="min-w-0">{value}</dd></div>)}
      </dl>
      {rental.phase_ms['total'] !== undefined && <div className="mt-4 border-t border-line pt-3"><Phases rental={rental} small /></div>}
    </Panel>
  );
}
