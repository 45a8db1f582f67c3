import type { Metadata } from 'next';
import { EntryForm } from '@/features/entry/entry-form';
import { safeNext } from '@/server/request.rules';

export const metadata: Metadata = { title: 'Sign in' };

export default async function SignInPage({ searchParams }: { searchParams: Promise<Record<string, string | undefined>> }) {
  const { next, ended } = await searchParams;
  return <EntryForm kind="sign-in" next={safeNext(next)} hasEnded={ended === '1'} />;
}
