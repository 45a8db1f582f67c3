import { cn } from '@/lib/cn';

/** A roll-call tick: two strokes, the second one longer. Also the sign for "verified". */
export function Tick({ className }: { className?: string }) {
  return (
    <svg aria-hidden viewBox="0 0 16 16" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" className={cn('size-4', className)}>
      <path d="M2.2 9.2 5.4 12.6" />
      <path d="M5.4 12.6 14 2.6" />
    </svg>
  );
}

export function Logo({ wordClass }: { wordClass?: string }) {
  return (
    <span className="inline-flex items-center gap-2 text-16 font-strong tracking-tight">
      <Tick className="size-[18px] text-accent-ink" />
      <span className={wordClass}>muster</span>
    </span>
  );
}
