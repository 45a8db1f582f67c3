import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { WallPage } from '@/features/stats/wall-page';
import { prefetch } from '@/server/prefetch';

export const metadata: Metadata = { title: 'Contributor wall' };

export default async function Page() {
  const state = await prefetch([{ name: 'listContributors', request: { query: { limit: 200 } } }]);
  return <HydrationBoundary state={state}><WallPage /></HydrationBoundary>;
}
