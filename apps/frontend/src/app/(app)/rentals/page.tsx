import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { RentalsPage } from '@/features/rentals/rentals-page';
import { prefetch } from '@/server/prefetch';

export const metadata: Metadata = { title: 'Rentals' };

export default async function Page() {
  const state = await prefetch([{ name: 'listRentals', request: { query: { state: 'live', limit: 100 } } }]);
  return <HydrationBoundary state={state}><RentalsPage /></HydrationBoundary>;
}
