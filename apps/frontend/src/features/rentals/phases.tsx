'use client';
import type { RentalView } from '@muster/shared-types';
import { Check, X } from 'lucide-react';
import { Panel } from '@/components/ui/panel';
import { Mark } from '@/components/ui/state-word';
import { cn } from '@/lib/cn';
import { tenths, unit } from '@/lib/format.rules';
import { useNow } from '@/lib/use-now';
import { finishedMs, phaseLines, type PhaseLine, PHASE_WORDS } from './rental.rules';

/** The way to `running` as one line; the present phase ticks. Small: what it took, afterwards. */
export function Phases({ rental, small = false }: { rental: RentalView; small?: boolean }) {
  const lines = phaseLines(rental);
  if (small) return <Took rental={rental} lines={lines} />;
  return (
    <Panel title="Starting" note="Nothing is billed before you can reach it">
      <ol className="grid gap-x-2 gap-y-3 sm:grid-cols-5" aria-live="polite">
        {lines.map((line) => <Step key={line.phase} line={line} rental={rental} before={finishedMs(lines)} />)}
      </ol>
    </Panel>
  );
}

function Step({ line, rental, before }: { line: PhaseLine; rental: RentalView; before: number }) {
  return (
    <li className={cn('flex items-center gap-x-3 border-line sm:flex-col sm:items-start sm:gap-y-1 sm:border-t-2 sm:pt-2', line.state === 'done' && 'sm:border-running-mark', line.state === 'now' && 'sm:border-starting-mark', line.state === 'stopped' && 'sm:border-failed-mark')}>
      <span className={cn('flex items-center gap-1.5 text-13 max-sm:flex-1', line.state === 'next' ? 'text-faint' : 'text-ink')}>
        {line.state === 'done' && <Check aria-label="done" className="size-3.5 text-running" />}
        {line.state === 'now' && <Mark tone="starting" />}
        {line.state === 'stopped' && <X aria-label="stopped here" className="size-3.5 text-failed" />}
        {PHASE_WORDS[line.phase]}
      </span>
      <span className="num text-13 text-dim" aria-hidden={line.state === 'now' || undefined}>
        {line.state === 'done' && line.ms !== undefined && tenths(line.ms)}
        {line.state === 'now' && <Ticking since={Date.parse(rental.created_at) + before} />}
        {line.state === 'now' && line.phase === 'pulling' && rental.progress && <Pulled progress={rental.progress} />}
      </span>
    </li>
  );
}

function Ticking({ since }: { since: number }) {
  const now = useNow();
  return <>{now ? unit(Math.max(0, Math.floor((now - since) / 1000)), 's') : '…'}</>;
}

function Pulled({ progress }: { progress: NonNullable<RentalView['progress']> }) {
  const done = progress.total_bytes ? Math.floor((progress.current_bytes / progress.total_bytes) * 100) : undefined;
  return <> · {done === undefined ? `${unit(Math.floor(progress.current_bytes / 1e6), 'MB')}` : unit(done, '%')}</>;
}

function Took({ rental, lines }: { rental: RentalView; lines: readonly PhaseLine[] }) {
  return (
    <>
      <p className="text-13"><span className="text-dim">From rent to reachable</span> <span className="num">{tenths(rental.phase_ms['total'] ?? 0)}</span></p>
      <ul className="mt-1.5 grid grid-cols-[1fr_auto] gap-x-4 gap-y-0.5 text-12 text-dim">
        {lines.map(({ phase, ms }) => ms !== undefined && <li key={phase} className="contents"><span>{PHASE_WORDS[phase]}</span><span className="num text-right">{tenths(ms)}</span></li>)}
      </ul>
    </>
  );
}
