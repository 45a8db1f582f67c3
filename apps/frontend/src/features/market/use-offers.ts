'use client';
import { useInfiniteQuery } from '@tanstack/react-query';
import type { Offer } from '@muster/shared-types';
import { api, useApi } from '@/lib/api';
import { type Search, searchOf } from './filters.rules';

const EVERY_MS = 15_000;

export interface Offers {
  items: readonly Offer[];
  isPending: boolean;
  error: Error | null;
  isMore: boolean;
  more: () => void;
  retry: () => void;
}

/** The first page is asked again and again; the ones behind it when the reader gets there. */
export function useOffers(search: Search, enabled = true): Offers {
  const first = useApi('searchOffers', searchOf(search), { every: EVERY_MS, keep: true, enabled });
  const cursor = first.data?.next ?? undefined;
  const rest = useInfiniteQuery({
    queryKey: ['searchOffers', 'further', searchOf(search), cursor],
    queryFn: ({ pageParam }) => api().call('searchOffers', searchOf(search, pageParam)),
    initialPageParam: cursor ?? '',
    getNextPageParam: (page) => page.next ?? undefined,
    enabled: cursor !== undefined,
  });
  const further = cursor === undefined ? [] : (rest.data?.pages.flatMap((page) => page.items) ?? []);
  return {
    items: unique([...(first.data?.items ?? []), ...further]),
    isPending: first.isPending,
    error: first.error,
    isMore: rest.hasNextPage,
    more: () => { if (rest.hasNextPage && !rest.isFetchingNextPage) void rest.fetchNextPage(); },
    retry: () => void first.refetch(),
  };
}

/** While pages are fetched one after the other an offer may move from one to the next. */
const unique = (offers: readonly Offer[]): Offer[] => [...new Map(offers.map((offer) => [offer.id, offer])).values()];
