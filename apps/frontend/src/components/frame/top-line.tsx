'use client';
import type { ReactNode } from 'react';
import Link from 'next/link';
import { Search } from 'lucide-react';
import type { ApiCall } from '@/lib/query-key';
import { Button } from '../ui/button';
import { Bell } from './bell';
import { Logo } from './logo';
import { MoneyStrip } from './money-strip';
import { openPalette } from './palette-state';
import { useFrame } from './providers';
import { SameElsewhere } from './same-elsewhere';

interface Props {
  title: ReactNode;
  /** What state it is in, in one sentence. */
  state?: ReactNode;
  action?: ReactNode;
  /** The same on the command line: without the leading `./`. */
  cli?: readonly string[];
  /** The same by HTTP. */
  http?: readonly ApiCall[];
}

/** The same line on every page: where am I, in what state, what can I do, and what does it cost me. */
export function TopLine({ title, state, action, cli = [], http = [] }: Props) {
  const { signedIn } = useFrame();
  return (
    <header className="sticky top-0 z-20 border-b border-line bg-ground/95 backdrop-blur-sm">
      <div className="flex min-h-14 flex-wrap items-center gap-x-4 gap-y-1 px-4 py-2 md:px-6">
        <Link href="/market" aria-label="muster, to the market" className="md:hidden"><Logo wordClass="sr-only" /></Link>
        <h1 className="min-w-0 truncate text-16">{title}</h1>
        {state != null && <p className="min-w-0 text-13 text-dim max-md:order-last max-md:w-full md:truncate">{state}</p>}
        <div className="ml-auto flex items-center gap-1.5">
          <MoneyStrip />
          {!signedIn && <Button asChild size="small"><Link href="/sign-in">Sign in</Link></Button>}
          <Bell />
          <SameElsewhere cli={cli} http={http} />
          <button type="button" onClick={openPalette} aria-label="Commands (Ctrl K)" title="Commands (Ctrl K)" className="rounded-control p-1.5 text-dim hover:bg-sunken hover:text-ink"><Search aria-hidden className="size-4" /></button>
          {action != null && <div className="flex items-center gap-2 pl-1.5 max-md:hidden">{action}</div>}
        </div>
        {action != null && <div className="order-last flex w-full items-center gap-2 py-1 md:hidden">{action}</div>}
      </div>
    </header>
  );
}

/** Room below the top line. */
export function PageBody({ children, wide = true }: { children: ReactNode; wide?: boolean }) {
  return <div className={wide ? 'px-4 py-4 md:px-6' : 'mx-auto w-full max-w-[1080px] px-4 py-4 md:px-6'}>{children}</div>;
}
