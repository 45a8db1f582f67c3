'use client';
import { createContext, type ReactNode, useContext, useState } from 'react';
import { RefusedError, UnreachableError } from '@muster/client';
import { MutationCache, QueryCache, QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { z } from 'zod';

// Compiling parsers needs eval, which the page's policy forbids.
z.config({ jitless: true });

interface Frame {
  signedIn: boolean;
  /** For style elements that libraries put in. */
  nonce: string;
}
const FrameContext = createContext<Frame>({ signedIn: false, nonce: '' });
export const useFrame = (): Frame => useContext(FrameContext);

export function Providers({ children, signedIn, nonce }: Frame & { children: ReactNode }) {
  const [queries] = useState(() => newQueries(signedIn));
  return (
    <FrameContext.Provider value={{ signedIn, nonce }}>
      <QueryClientProvider client={queries}>{children}</QueryClientProvider>
    </FrameContext.Provider>
  );
}

const TRIES = 2;

function newQueries(signedIn: boolean): QueryClient {
  const onError = (error: Error): void => {
    if (signedIn && error instanceof RefusedError && error.problem.status === 401) signInAgain();
  };
  return new QueryClient({
    queryCache: new QueryCache({ onError }),
    mutationCache: new MutationCache({ onError }),
    defaultOptions: {
      // Asked even when the browser thinks it is offline: a paused question would look like a fresh answer.
      mutations: { networkMode: 'always' },
      queries: {
        networkMode: 'always',
        staleTime: 3_000,
        retry: (failures, error) => failures < TRIES && (error instanceof UnreachableError || (error instanceof RefusedError && error.problem.retryable && error.problem.code !== 'rate_limited')),
        retryDelay: (failures) => 500 * 2 ** failures,
      },
    },
  });
}

/** The session has ended elsewhere: back to where one was, after signing in. */
function signInAgain(): void {
  const { pathname, search } = window.location;
  if (pathname.startsWith('/sign-')) return;
  window.location.assign(`/sign-in?ended=1&next=${encodeURIComponent(pathname + search)}`);
}
