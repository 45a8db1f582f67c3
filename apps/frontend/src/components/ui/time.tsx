'use client';
import { duration, relative, when } from '@/lib/format.rules';
import { useNow } from '@/lib/use-now';

/** `12 s ago`; the exact time on hover. */
export function Ago({ at, className }: { at: string; className?: string }) {
  const now = useNow();
  return <time dateTime={at} title={now ? when(at) : undefined} className={className} suppressHydrationWarning>{now ? relative(at, now) : '…'}</time>;
}

/** How long since, ticking. */
export function Since({ at, until, className }: { at: string; until?: string | null | undefined; className?: string }) {
  const now = useNow();
  const end = until ? Date.parse(until) : now;
  return <time dateTime={at} title={now ? when(at) : undefined} className={className}>{end ? duration((end - Date.parse(at)) / 1000) : '…'}</time>;
}

/** How long until. */
export function Until({ at, className }: { at: string; className?: string }) {
  const now = useNow();
  return <time dateTime={at} title={now ? when(at) : undefined} className={className}>{now ? duration((Date.parse(at) - now) / 1000) : '…'}</time>;
}

export function When({ at, className }: { at: string; className?: string }) {
  const now = useNow();
  return <time dateTime={at} className={className}>{now ? when(at) : at.slice(0, 19).replace('T', ' ')}</time>;
}
