import { cn } from '@/lib/cn';
import { words } from '@/lib/format.rules';
import { toneOf, type Tone } from '@/lib/tone.rules';

const TEXT: Record<Tone, string> = { running: 'text-running', starting: 'text-starting', attention: 'text-attention', failed: 'text-failed', offline: 'text-offline' };
const MARK: Record<Tone, string> = { running: 'bg-running-mark', starting: 'bg-starting-mark', attention: 'bg-attention-mark', failed: 'bg-failed-mark', offline: 'bg-offline-mark' };

/** A state: its word, and a mark in its colour. Moving states pulse, unless the reader asked for stillness. */
export function StateWord({ state, tone = toneOf(state), label, className }: { state: string; tone?: Tone | undefined; label?: string | undefined; className?: string | undefined }) {
  return (
    <span className={cn('inline-flex items-center gap-1.5 whitespace-nowrap', TEXT[tone], className)}>
      <Mark tone={tone} />
      {label ?? words(state)}
    </span>
  );
}

export function Mark({ tone, className }: { tone: Tone; className?: string }) {
  return <span aria-hidden className={cn('inline-block size-2 shrink-0 rounded-full', MARK[tone], tone === 'starting' && 'pulse-mark', className)} />;
}
