'use client';
import { Panel } from '@/components/ui/panel';
import { StateWord } from '@/components/ui/state-word';
import { Ago } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { cn } from '@/lib/cn';

const WORDS = { quarantine: 'off the market', delist: 'not listed', warn: 'look' } as const;
const TONES = { quarantine: 'failed', delist: 'failed', warn: 'attention' } as const;

/** What is wrong with the machine, and what to do. Nothing is shown while nothing is. */
export function Findings({ nodeId }: { nodeId: string }) {
  const findings = useApi('listNodeFindings', { params: { node_id: nodeId } }, { every: 10_000 });
  const items = findings.data?.items.toSorted((one, other) => Number(one.cleared_at !== null) - Number(other.cleared_at !== null)) ?? [];
  if (items.length === 0) return null;
  return (
    <Panel title="What was found" note={`${items.filter(({ cleared_at }) => cleared_at === null).length} open`} flush>
      <ul>
        {items.slice(0, 20).map((one) => (
          <li key={one.id} className={cn('border-b border-line px-4 py-2 text-13 last:border-0', one.cleared_at && 'text-dim')}>
            <p className="flex flex-wrap items-baseline gap-x-3"><StateWord state={one.severity} tone={one.cleared_at ? 'offline' : TONES[one.severity]} label={one.cleared_at ? 'over' : WORDS[one.severity]} className="w-28" /><span>{one.message}</span><Ago at={one.cleared_at ?? one.since} className="num ml-auto text-12 text-dim" /></p>
            {!one.cleared_at && <p className="mt-0.5 text-dim sm:pl-31">{one.remediation} <code className="num text-12">{one.code}{one.gpu_uuid ? ` · ${one.gpu_uuid}` : ''}</code></p>}
          </li>
        ))}
      </ul>
    </Panel>
  );
}
