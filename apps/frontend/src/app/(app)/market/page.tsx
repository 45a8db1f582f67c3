import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { readSearch, searchOf } from '@/features/market/filters.rules';
import { MarketPage } from '@/features/market/market-page';
import { prefetch } from '@/server/prefetch';

export const metadata: Metadata = { title: 'Market' };

export default async function Page({ searchParams }: { searchParams: Promise<Record<string, string | string[] | undefined>> }) {
  const given = Object.entries(await searchParams).filter((entry): entry is [string, string] => typeof entry[1] === 'string');
  const state = await prefetch([{ name: 'searchOffers', request: searchOf(readSearch(new URLSearchParams(given))) }, { name: 'listTemplates', request: {} }]);
  return <HydrationBoundary state={state}><MarketPage /></HydrationBoundary>;
}
