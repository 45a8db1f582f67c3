import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { FleetPage } from '@/features/fleet/fleet-page';
import { prefetch } from '@/server/prefetch';

export const metadata: Metadata = { title: 'Fleet' };

export default async function Page() {
  const state = await prefetch([{ name: 'listNodes', request: { query: { of: 'mine', limit: 200 } } }]);
  return <HydrationBoundary state={state}><FleetPage /></HydrationBoundary>;
}
