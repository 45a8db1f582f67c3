import type { ReactNode } from 'react';
import { cn } from '@/lib/cn';

interface PanelProps {
  title?: ReactNode;
  /** One sentence beside the title. */
  note?: ReactNode;
  action?: ReactNode;
  children: ReactNode;
  className?: string | undefined;
  /** Without padding: for tables that reach the border. */
  flush?: boolean;
  id?: string;
}

export function Panel({ title, note, action, children, className, flush = false, id }: PanelProps) {
  return (
    <section id={id} className={cn('min-w-0 rounded-panel border border-line bg-panel', className)}>
      {(title != null || action != null) && (
        <header className="flex min-h-11 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line px-4 py-2">
          {title != null && <h2 className="text-14">{title}</h2>}
          {note != null && <p className="text-13 text-dim">{note}</p>}
          {action != null && <div className="ml-auto flex items-center gap-2">{action}</div>}
        </header>
      )}
      <div className={flush ? 'min-w-0' : 'p-4'}>{children}</div>
    </section>
  );
}

/** Name and value, as many as there are, in columns that fit. */
export function Facts({ children, className }: { children: ReactNode; className?: string | undefined }) {
  return <dl className={cn('grid grid-cols-[repeat(auto-fit,minmax(9rem,1fr))] gap-x-6 gap-y-3', className)}>{children}</dl>;
}

export function Fact({ name, children, mono = true, className }: { name: ReactNode; children: ReactNode; mono?: boolean; className?: string }) {
  return (
    <div className={cn('min-w-0', className)}>
      <dt className="text-12 text-dim">{name}</dt>
      <dd className={cn('mt-0.5 text-14 break-words', mono && 'num')}>{children}</dd>
    </div>
  );
}

/** `3 of 8`, the first of them large. */
export function Of({ part, whole }: { part: ReactNode; whole: ReactNode }) {
  return <>{part}<span className="ml-1.5 text-14 text-dim">of {whole}</span></>;
}

/** Figures that answer a page's question. */
export function Figure({ name, value, note, className }: { name: ReactNode; value: ReactNode; note?: ReactNode; className?: string }) {
  return (
    <div className={cn('min-w-0', className)}>
      <p className="text-12 text-dim">{name}</p>
      <p className="num mt-1 text-28 tracking-tight">{value}</p>
      {note != null && <p className="mt-1 text-13 text-dim">{note}</p>}
    </div>
  );
}
