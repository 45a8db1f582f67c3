import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { KeysPage } from '@/features/keys/keys-page';
import { prefetch } from '@/server/prefetch';

export const metadata: Metadata = { title: 'Keys' };

export default async function Page() {
  const state = await prefetch([{ name: 'listApiKeys', request: {} }, { name: 'listSshKeys', request: {} }]);
  return <HydrationBoundary state={state}><KeysPage /></HydrationBoundary>;
}
