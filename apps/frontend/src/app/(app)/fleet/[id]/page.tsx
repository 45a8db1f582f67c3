import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { NodePage } from '@/features/fleet/node-page';
import { shortId } from '@/lib/format.rules';
import { prefetch } from '@/server/prefetch';

type Props = { params: Promise<{ id: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: shortId('node', (await params).id) };
}

export default async function Page({ params }: Props) {
  const { id } = await params;
  const state = await prefetch([{ name: 'getNode', request: { params: { node_id: id } } }]);
  return <HydrationBoundary state={state}><NodePage id={id} /></HydrationBoundary>;
}
