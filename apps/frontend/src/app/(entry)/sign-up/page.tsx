import type { Metadata } from 'next';
import { EntryForm } from '@/features/entry/entry-form';
import { safeNext } from '@/server/request.rules';

export const metadata: Metadata = { title: 'Sign up' };

export default async function SignUpPage({ searchParams }: { searchParams: Promise<Record<string, string | undefined>> }) {
  const { next } = await searchParams;
  return <EntryForm kind="sign-up" next={safeNext(next)} hasEnded={false} />;
}
