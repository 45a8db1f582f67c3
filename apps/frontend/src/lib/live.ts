'use client';
import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { KindOf, LiveClient, LiveState, RoomListener } from '@muster/client/live';
import type { LiveRoom } from '@muster/shared-types';
import { api } from './api';

/** One socket a page, opened when the first thing wants it; its code is fetched then. */
let opening: Promise<LiveClient> | undefined;
let state: LiveState = 'connecting';
const watchers = new Set<() => void>();

export function live(): Promise<LiveClient> {
  opening ??= import('@muster/client/live').then(({ LiveClient: Client }) => {
    const client = new Client({ ticket: () => api().call('createLiveTicket', {}) });
    client.onState((next) => {
      state = next;
      for (const watcher of watchers) watcher();
    });
    return client;
  });
  return opening;
}

const subscribeState = (watcher: () => void): (() => void) => {
  watchers.add(watcher);
  return () => watchers.delete(watcher);
};

/** While it is `live`, what happens is told; otherwise pages ask often enough themselves. */
export const useLiveState = (): LiveState => useSyncExternalStore(subscribeState, () => state, () => 'connecting');

/** Listens to a room while this is on the page. The listener may change from render to render. */
export function useRoom<R extends LiveRoom>(room: R, listener: RoomListener<KindOf<R>>, enabled = true): void {
  const latest = useRef(listener);
  useEffect(() => {
    latest.current = listener;
  });
  useEffect(() => {
    if (!enabled) return undefined;
    let leave: (() => void) | undefined;
    let gone = false;
    void live().then((client) => {
      if (gone) return;
      leave = client.subscribe(room, { onFrame: (frame) => latest.current.onFrame(frame), onResync: () => latest.current.onResync?.() });
    });
    return () => {
      gone = true;
      leave?.();
    };
  }, [room, enabled]);
}
