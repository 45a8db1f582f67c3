'use client';
import { type ReactNode, useCallback, useSyncExternalStore } from 'react';
import { RefusedError, UnreachableError } from '@muster/client';
import { type Query, useQueryClient } from '@tanstack/react-query';
import { WifiOff } from 'lucide-react';
import { Ago } from '../ui/time';

const isSilence = (error: unknown): boolean => error instanceof UnreachableError || (error instanceof RefusedError && error.problem.code === 'unavailable');
const isShown = (query: Query): boolean => query.getObserversCount() > 0;
const isStale = (query: Query): boolean => query.state.data !== undefined && isSilence(query.state.fetchFailureReason ?? query.state.error);

/** Since when the oldest figures on the page are known, while the market does not answer; 0 while it does. */
function useSilentSince(): number {
  const cache = useQueryClient().getQueryCache();
  const subscribe = useCallback((listener: () => void) => cache.subscribe(listener), [cache]);
  const read = useCallback(() => {
    const stale = cache.getAll().filter((query) => isShown(query) && isStale(query)).map((query) => query.state.dataUpdatedAt);
    return stale.length > 0 ? Math.min(...stale) : 0;
  }, [cache]);
  return useSyncExternalStore(subscribe, read, () => 0);
}

/** Numbers that are not live are never shown as if they were. */
export function Connection({ children }: { children: ReactNode }) {
  const since = useSilentSince();
  return (
    <>
      <div role="status" aria-live="polite">
        {since > 0 && (
          <p className="flex items-center gap-2 border-b border-line bg-sunken px-4 py-2 text-13 text-attention md:px-6">
            <WifiOff aria-hidden className="size-4 shrink-0" />
            <span>The market does not answer. What you see is from <Ago at={new Date(since).toISOString()} />; it is tried again by itself, and your rentals go on.</span>
          </p>
        )}
      </div>
      <div className={since > 0 ? 'stale' : undefined}>{children}</div>
    </>
  );
}
