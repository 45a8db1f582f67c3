'use client';
import type { SystemHealth } from '@muster/shared-types';
import { Trouble, Waiting } from '@/components/ui/notice';
import { Figure, Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { When } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { count, duration, gb, unit, words } from '@/lib/format.rules';

const bytes = (value: number): string => (value >= 1e9 ? gb(value / 1e9) : unit(Math.round(value / 1e6), 'MB'));

export function Health() {
  const health = useApi('systemHealth', {}, { every: 5_000 });
  if (health.isPending) return <Panel flush><Waiting rows={6} /></Panel>;
  if (!health.data) return <Trouble error={health.error} what="The health of the market is not known" onRetry={() => void health.refetch()} />;
  return <Parts health={health.data} />;
}

function Parts({ health }: { health: SystemHealth }) {
  return (
    <div className="flex flex-col gap-4">
      <div className="grid grid-cols-2 gap-4 rounded-panel border border-line bg-panel p-4 md:grid-cols-4">
        <Figure name="Up for" value={duration(health.uptime_s)} note={`version ${health.version}`} />
        <Figure name="Events waiting" value={count(health.outbox.waiting)} note={health.outbox.waiting > 0 ? `the oldest for ${duration(health.outbox.oldest_s)}` : 'all delivered'} />
        <Figure name="Offers" value={count(health.offers.total)} note={`${count(health.offers.stale)} machines to be made anew`} />
        <Figure name="Database" value={bytes(health.database_bytes)} note={`memory ${bytes(health.memory.rss_bytes)}`} />
      </div>
      <div className="grid items-start gap-4 lg:grid-cols-2">
        <Panel title="What it depends on" flush>
          <ul>{Object.entries(health.dependencies).map(([name, { ok, ms, detail }]) => <li key={name} className="flex h-9 items-center gap-4 border-b border-line px-4 text-13 last:border-0"><StateWord state={ok ? 'ok' : 'down'} label={ok ? 'answers' : 'down'} className="w-24" /><span className="w-28">{words(name)}</span><span className="min-w-0 flex-1 truncate text-dim">{detail}</span><span className="num">{unit(ms.toFixed(1), 'ms')}</span></li>)}</ul>
        </Panel>
        <Panel title="Loops" note="one replica runs each" flush>
          <ul>{health.loops.map(({ name, holder, alive }) => <li key={name} className="flex h-9 items-center gap-4 border-b border-line px-4 text-13 last:border-0"><StateWord state={alive ? 'running' : 'down'} label={alive ? 'running' : 'not held'} className="w-24" /><span className="w-44 truncate">{words(name)}</span><span className="num min-w-0 flex-1 truncate text-12 text-dim">{holder}</span></li>)}</ul>
        </Panel>
      </div>
      <Panel title="Times in which the market was away" note="never held against anybody" flush>
        {health.outages.length === 0 ? <p className="p-4 text-13 text-dim">None.</p> : <ul>{health.outages.map(({ from, to, cause }) => <li key={from} className="flex min-h-9 items-center gap-4 border-b border-line px-4 text-13 last:border-0"><When at={from} className="num text-12 text-dim" /><span className="num">{duration((Date.parse(to) - Date.parse(from)) / 1000)}</span><span className="text-dim">{words(cause)}</span></li>)}</ul>}
      </Panel>
    </div>
  );
}
