import { type InputHTMLAttributes, type ReactNode, type SelectHTMLAttributes, type TextareaHTMLAttributes, useId } from 'react';
import { cn } from '@/lib/cn';

const BOX = 'w-full rounded-control border border-line-strong bg-panel px-2.5 text-13 text-ink transition-colors hover:border-faint aria-invalid:border-failed-mark disabled:opacity-60';

interface FieldProps {
  label: ReactNode;
  hint?: ReactNode;
  error?: string | undefined;
  className?: string | undefined;
  children: (wiring: { id: string; 'aria-describedby': string | undefined; 'aria-invalid': true | undefined }) => ReactNode;
}

/** A label, what it labels, what helps, and what is wrong: wired so that a screen reader hears them together. */
export function Field({ label, hint, error, className, children }: FieldProps) {
  const id = useId();
  const about = error !== undefined ? `${id}-error` : hint != null ? `${id}-hint` : undefined;
  return (
    <div className={cn('min-w-0', className)}>
      <label htmlFor={id} className="mb-1 block text-13 text-dim">{label}</label>
      {children({ id, 'aria-describedby': about, 'aria-invalid': error !== undefined || undefined })}
      {error !== undefined ? <p id={`${id}-error`} className="mt-1 text-13 text-failed">{error}</p> : hint != null && <p id={`${id}-hint`} className="mt-1 text-12 text-dim">{hint}</p>}
    </div>
  );
}

export function Input({ className, ...rest }: InputHTMLAttributes<HTMLInputElement>) {
  return <input className={cn(BOX, 'h-8', className)} {...rest} />;
}

export function Textarea({ className, ...rest }: TextareaHTMLAttributes<HTMLTextAreaElement>) {
  return <textarea className={cn(BOX, 'num min-h-20 py-1.5', className)} {...rest} />;
}

export function Select({ className, ...rest }: SelectHTMLAttributes<HTMLSelectElement>) {
  return <select className={cn(BOX, 'h-8 pr-6', className)} {...rest} />;
}

export function Check({ label, hint, className, ...rest }: { label: ReactNode; hint?: ReactNode } & InputHTMLAttributes<HTMLInputElement>) {
  return (
    <label className={cn('flex items-start gap-2 text-13', className)}>
      <input type="checkbox" className="mt-0.5 size-4 shrink-0 accent-(--accent-ink)" {...rest} />
      <span>
        {label}
        {hint != null && <span className="block text-12 text-dim">{hint}</span>}
      </span>
    </label>
  );
}
