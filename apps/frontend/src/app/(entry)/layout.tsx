import type { ReactNode } from 'react';
import Link from 'next/link';
import { Logo } from '@/components/frame/logo';

export default function EntryLayout({ children }: { children: ReactNode }) {
  return (
    <main className="mx-auto flex min-h-dvh w-full max-w-[400px] flex-col justify-center gap-6 px-5 py-10">
      <Link href="/market" aria-label="muster, to the market" className="self-start"><Logo /></Link>
      {children}
    </main>
  );
}
