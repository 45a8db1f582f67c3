'use client';
import { MarketClient, RefusedError, UnreachableError, type WireRequest } from '@muster/client';
import type { OperationName, OperationOutput, Operations, Problem } from '@muster/shared-types';
import { z } from 'zod';
import { type QueryClient, useMutation, type UseMutationResult, useQuery, useQueryClient, type UseQueryResult } from '@tanstack/react-query';
import { queryKey, type RequestOf } from './query-key';

type Output<K extends OperationName> = OperationOutput<Operations[K]>;

let client: MarketClient | undefined;

/** Operations beside `/api/v1` have the names of pages here, so they go another way. */
const BESIDE = /^\/(stats|health|ready)(?=$|\?)/;

class BrowserClient extends MarketClient {
  override describe<K extends OperationName>(name: K, request: RequestOf<K>): WireRequest {
    const wire = super.describe(name, request);
    const { origin } = window.location;
    const path = wire.url.slice(origin.length);
    return BESIDE.test(path) ? { ...wire, url: `${origin}/api/system${path}` } : wire;
  }
}

/** This site, which passes calls on to the API. */
export function api(): MarketClient {
  client ??= new BrowserClient({ url: window.location.origin, userAgent: '' });
  return client;
}

export interface ReadOptions<T, K extends OperationName = OperationName> {
  enabled?: boolean;
  /** Milliseconds, or from what is known: false = never again by itself. */
  every?: number | false | ((known: T | undefined) => number | false);
  /** Keeps what was shown while a changed question is asked. */
  keep?: boolean;
  /** Asks with something newer than the key says, e.g. a time. */
  ask?: (call: (request: RequestOf<K>) => Promise<T>) => Promise<T>;
}

export function useApi<K extends OperationName>(name: K, request: RequestOf<K>, options: ReadOptions<Output<K>, K> = {}): UseQueryResult<Output<K>, Error> {
  const { enabled = true, every = false, keep = false, ask } = options;
  return useQuery<Output<K>, Error>({
    queryKey: queryKey(name, request),
    queryFn: () => (ask ? ask((asked) => api().call(name, asked)) : api().call(name, request)),
    enabled,
    refetchInterval: typeof every === 'function' ? (query) => every(query.state.data) : every,
    ...(keep && { placeholderData: (before: Output<K> | undefined) => before }),
  } as Parameters<typeof useQuery<Output<K>, Error>>[0]);
}

/** `then` gets what came back, and names what is to be asked anew. */
export function useAction<K extends OperationName>(name: K, then?: (answer: Output<K>, queries: QueryClient) => void): UseMutationResult<Output<K>, Error, RequestOf<K>> {
  const queries = useQueryClient();
  return useMutation<Output<K>, Error, RequestOf<K>>({ mutationFn: (request) => api().call(name, request), onSuccess: (answer) => then?.(answer, queries) });
}

export const askAnew = (queries: QueryClient, ...names: OperationName[]): void => {
  for (const name of names) void queries.invalidateQueries({ queryKey: [name] });
};

/** What went wrong, for a person: always with what to do, never with a stack. */
export function problemOf(error: unknown): Pick<Problem, 'code' | 'title' | 'retryable'> & Partial<Problem> {
  if (error instanceof RefusedError) return error.problem;
  if (error instanceof UnreachableError) return { code: 'unavailable', title: 'This page cannot reach the market', detail: error.message, hint: 'Check your connection; it is tried again by itself', retryable: true };
  const detail = error instanceof z.ZodError ? `The answer has a form that this page does not know (${error.issues[0]?.path.join('.') ?? ''})` : error instanceof Error ? error.message.slice(0, 300) : String(error);
  return { code: 'internal', title: 'The answer could not be read', detail, hint: 'Reload the page; page and market may be of different versions', retryable: true };
}
