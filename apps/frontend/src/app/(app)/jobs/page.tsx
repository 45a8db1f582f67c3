import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { JobsPage } from '@/features/jobs/jobs-page';
import { prefetch } from '@/server/prefetch';

export const metadata: Metadata = { title: 'Jobs' };

export default async function Page() {
  const state = await prefetch([{ name: 'listJobs', request: { query: { limit: 100 } } }]);
  return <HydrationBoundary state={state}><JobsPage /></HydrationBoundary>;
}
