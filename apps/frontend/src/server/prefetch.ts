import 'server-only';
import { cookies } from 'next/headers';
import { dehydrate, type DehydratedState, QueryClient } from '@tanstack/react-query';
import type { ApiCall } from '@/lib/query-key';
import { marketClient } from './market-client';
import { ACCESS_COOKIE } from './session-cookies';

const PATIENCE_MS = 1_500;

export async function isSignedIn(): Promise<boolean> {
  return (await cookies()).has(ACCESS_COOKIE);
}

/** What a page shows first comes with it. What fails here is asked again by the browser, which then says why. */
export async function prefetch(calls: readonly ApiCall[]): Promise<DehydratedState> {
  const queries = new QueryClient();
  const client = marketClient((await cookies()).get(ACCESS_COOKIE)?.value);
  const all = Promise.all(calls.map(({ name, request }) => queries.prefetchQuery({ queryKey: [name, request], queryFn: () => client.call(name, request as never), retry: false })));
  await Promise.race([all, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref())]);
  return dehydrate(queries);
}
