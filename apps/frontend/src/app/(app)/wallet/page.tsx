import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { WalletPage } from '@/features/wallet/wallet-page';
import { prefetch } from '@/server/prefetch';

export const metadata: Metadata = { title: 'Wallet' };

export default async function Page() {
  const state = await prefetch([{ name: 'getBalance', request: {} }, { name: 'listStatement', request: { query: { limit: 100 } } }]);
  return <HydrationBoundary state={state}><WalletPage /></HydrationBoundary>;
}
