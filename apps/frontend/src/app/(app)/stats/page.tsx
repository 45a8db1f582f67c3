import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { StatsPage } from '@/features/stats/stats-page';
import { prefetch } from '@/server/prefetch';

export const metadata: Metadata = { title: 'Stats' };

export default async function Page() {
  const state = await prefetch([{ name: 'stats', request: {} }]);
  return <HydrationBoundary state={state}><StatsPage /></HydrationBoundary>;
}
