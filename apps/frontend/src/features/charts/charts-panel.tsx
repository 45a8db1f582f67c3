'use client';
import { useState } from 'react';
import dynamic from 'next/dynamic';
import { Select } from '@/components/ui/field';
import { Trouble } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { useApi } from '@/lib/api';
import { type Chart, chartsOf, latest, valueText } from './series.rules';

const Plot = dynamic(() => import('./plot').then((module) => module.Plot), { ssr: false, loading: () => <div className="skeleton h-[132px]" /> });

const EVERY_MS = 5_000;
const RANGES = [['900', '15 minutes'], ['3600', 'an hour'], ['21600', '6 hours'], ['86400', 'a day'], ['604800', 'a week']] as const;
const POINTS = 240;

interface Props {
  of: { kind: 'instance' | 'node'; id: string };
  isLive: boolean;
}

/** What the machine did: small multiples that share a time axis and a cursor. */
export function ChartsPanel({ of, isLive }: Props) {
  const [range, setRange] = useState('900');
  const metrics = useMetrics(of, Number(range), isLive);
  const charts = metrics.data ? chartsOf(metrics.data, of.kind) : [];
  return (
    <Panel title="What it did" note={metrics.data && charts.length > 0 ? `means of ${metrics.data.step_s} s` : undefined} action={<RangeChoice value={range} onChange={setRange} />}>
      {metrics.isPending && <div role="status" aria-label="Loading charts" className="grid gap-4 sm:grid-cols-2">{[0, 1, 2, 3].map((one) => <div key={one} className="skeleton h-40" />)}</div>}
      {metrics.error && !metrics.data && <Trouble error={metrics.error} what="The charts could not be loaded" onRetry={() => void metrics.refetch()} />}
      {metrics.data && charts.length === 0 && <p className="text-13 text-dim">Nothing was measured in this time. The first samples come within ten seconds of its start.</p>}
      {charts.length > 0 && <Charts charts={charts} />}
    </Panel>
  );
}

function useMetrics(of: Props['of'], seconds: number, isLive: boolean) {
  const every = isLive ? EVERY_MS * Math.max(1, Math.floor(seconds / 3600)) : false;
  const step = Math.max(5, Math.ceil(seconds / POINTS));
  // The range ends now whenever it is asked: the key says how long it is, the question when it began.
  const asked = () => ({ from: Math.floor(Date.now() / 1000) - seconds, step });
  const instance = useApi('getRentalMetrics', { params: { rental_id: of.id }, query: { step } }, { enabled: of.kind === 'instance', every, keep: true, ask: (call) => call({ params: { rental_id: of.id }, query: asked() }) });
  const node = useApi('getNodeMetrics', { params: { node_id: of.id }, query: { step } }, { enabled: of.kind === 'node', every, keep: true, ask: (call) => call({ params: { node_id: of.id }, query: asked() }) });
  return of.kind === 'instance' ? instance : node;
}

function RangeChoice({ value, onChange }: { value: string; onChange: (value: string) => void }) {
  return <Select aria-label="Time shown" value={value} onChange={(event) => onChange(event.target.value)} className="h-7 w-32">{RANGES.map(([seconds, name]) => <option key={seconds} value={seconds}>{name}</option>)}</Select>;
}

function Charts({ charts }: { charts: readonly Chart[] }) {
  const [at, setAt] = useState<number | null>(null);
  return (
    <div className="grid gap-x-6 gap-y-4 sm:grid-cols-2 2xl:grid-cols-3">
      {charts.map((chart) => (
        <figure key={chart.id} className="min-w-0">
          <figcaption className="mb-1 flex items-baseline justify-between gap-3 text-13"><span className="text-dim">{chart.title}</span><span className="num text-12">{valuesText(chart, at)}</span></figcaption>
          <Plot chart={chart} onCursor={setAt} />
        </figure>
      ))}
    </div>
  );
}

/** At the cursor, else the newest. */
const valuesText = (chart: Chart, at: number | null): string =>
  chart.lines.map((line) => `${line.label === '' ? '' : `${line.label} `}${valueText(at === null ? latest(line) : line.values[at], chart.unit)}`).join(' · ');
