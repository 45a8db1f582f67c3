'use client';
import { useSyncExternalStore } from 'react';

/** One clock for all that ticks on a page: everything moves together, and nothing ticks that nobody looks at. */
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;
let now = 0;

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(tick, 1000);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

function tick(): void {
  if (document.hidden) return;
  now = Date.now();
  for (const listener of listeners) listener();
}

function current(): number {
  if (now === 0) now = Date.now();
  return now;
}

/** Milliseconds since 1970, every second; 0 while the page comes from the server. */
export const useNow = (): number => useSyncExternalStore(subscribe, current, () => 0);
