import type { ReactNode } from 'react';
import { CircleAlert, Info, TriangleAlert } from 'lucide-react';
import { problemOf } from '@/lib/api';
import { cn } from '@/lib/cn';
import { Button } from './button';

/** What this is, and the one next step. */
export function Empty({ title, children, action, icon }: { title: string; children?: ReactNode; action?: ReactNode; icon?: ReactNode }) {
  return (
    <div className="mx-auto flex max-w-xl flex-col items-center gap-2 px-6 py-14 text-center">
      {icon != null && <div aria-hidden className="mb-1 text-faint [&_svg]:size-6">{icon}</div>}
      <h2 className="text-16">{title}</h2>
      {children != null && <div className="text-14 text-dim">{children}</div>}
      {action != null && <div className="mt-3 flex flex-wrap justify-center gap-2">{action}</div>}
    </div>
  );
}

/** What happened, whether money moved, what to do, and the code. */
export function Trouble({ error, what, onRetry, className, money }: { error: unknown; what: string; onRetry?: (() => void) | undefined; className?: string | undefined; money?: string | undefined }) {
  const problem = problemOf(error);
  return (
    <div role="alert" className={cn('flex gap-3 rounded-panel border border-line bg-panel p-4', className)}>
      <CircleAlert aria-hidden className="mt-0.5 size-4 shrink-0 text-failed" />
      <div className="min-w-0 flex-1 text-14">
        <p className="font-medium">{what}</p>
        <p className="mt-0.5 text-dim">{problem.detail ?? problem.title}{money ? ` ${money}` : ''}</p>
        {problem.errors && problem.errors.length > 0 && (
          <ul className="mt-1 text-13 text-dim">{problem.errors.map((one) => <li key={one.path + one.message}><code className="num">{one.path.replace(/^body\./, '')}</code> {one.message}</li>)}</ul>
        )}
        {problem.hint && <p className="mt-0.5 text-dim">{problem.hint}.</p>}
        <p className="mt-2 flex flex-wrap items-center gap-3">
          <code className="num text-12 text-dim">{problem.code}{problem.request_id ? ` · ${problem.request_id}` : ''}</code>
          {onRetry && <Button size="small" onClick={onRetry}>Try again</Button>}
        </p>
      </div>
    </div>
  );
}

export function Remark({ children, tone = 'info', className }: { children: ReactNode; tone?: 'info' | 'attention'; className?: string | undefined }) {
  const Icon = tone === 'info' ? Info : TriangleAlert;
  return (
    <p className={cn('flex gap-2 text-13', tone === 'info' ? 'text-dim' : 'text-attention', className)}>
      <Icon aria-hidden className="mt-0.5 size-4 shrink-0" />
      <span className="min-w-0">{children}</span>
    </p>
  );
}

/** Lines of the layout that is to come. */
export function Waiting({ rows = 6, className, label = 'Loading' }: { rows?: number; className?: string; label?: string }) {
  return (
    <div role="status" aria-label={label} className={cn('flex flex-col', className)}>
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="flex h-9 items-center gap-6 border-b border-line px-4 last:border-0">
          <div className="skeleton h-3 w-40" />
          <div className="skeleton h-3 flex-1" />
          <div className="skeleton h-3 w-24" />
        </div>
      ))}
    </div>
  );
}
