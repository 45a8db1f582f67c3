import type { Metadata } from 'next';
import { HydrationBoundary } from '@tanstack/react-query';
import { JobPage } from '@/features/jobs/job-page';
import { shortId } from '@/lib/format.rules';
import { prefetch } from '@/server/prefetch';

type Props = { params: Promise<{ id: string }> };

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: shortId('job', (await params).id) };
}

export default async function Page({ params }: Props) {
  const { id } = await params;
  const state = await prefetch([{ name: 'getJob', request: { params: { job_id: id } } }]);
  return <HydrationBoundary state={state}><JobPage id={id} /></HydrationBoundary>;
}
