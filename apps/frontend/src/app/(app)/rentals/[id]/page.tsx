import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { RentalPage } from '@/features/rentals/rental-page';
import { shortId } from '@/lib/format.rules';
import { prefetch } from '@/server/prefetch';

type Props = { params: Promise<{ id: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: shortId('rental', (await params).id) };
}

export default async function Page({ params }: Props) {
  const { id } = await params;
  const state = await prefetch([{ name: 'getRental', request: { params: { rental_id: id } } }]);
  return <HydrationBoundary state={state}><RentalPage id={id} /></HydrationBoundary>;
}
