'use client';
import { useEffect, useState } from 'react';
import { Check, Copy } from 'lucide-react';
import { cn } from '@/lib/cn';

/** Puts text on the clipboard and says so for a moment. */
export function CopyButton({ text, what, className }: { text: string; what: string; className?: string }) {
  const [done, setDone] = useState<'copied' | 'refused' | undefined>();
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(undefined), 1600);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setDone('copied'), () => setDone('refused'));
  return (
    <button type="button" onClick={copy} aria-label={`Copy ${what}`} title={`Copy ${what}`} className={cn('inline-flex h-7 shrink-0 items-center gap-1.5 rounded-control px-1.5 text-12 text-dim hover:bg-sunken hover:text-ink', className)}>
      {done === 'copied' ? <Check className="size-3.5 text-running" aria-hidden /> : <Copy className="size-3.5" aria-hidden />}
      <span aria-live="polite" className={done ? '' : 'sr-only'}>{done === 'copied' ? 'Copied' : done === 'refused' ? 'Select and copy it by hand' : ''}</span>
    </button>
  );
}

/** A command or another text to take along. `secret`: shown once, so it stands out. */
export function Command({ text, what = 'the command', className, secret = false }: { text: string; what?: string; className?: string; secret?: boolean }) {
  return (
    <div className={cn('flex items-center gap-2 rounded-control border border-line bg-sunken py-1 pr-1 pl-3', secret && 'border-attention-mark', className)}>
      {/* Scrolls by itself, so it must be reachable by keyboard. */}
      <code tabIndex={0} role="region" aria-label={what} className="num min-w-0 flex-1 overflow-x-auto py-1 text-13 whitespace-pre">{text}</code>
      <CopyButton text={text} what={what} />
    </div>
  );
}
