import type { ReactNode } from 'react';
import { Connection } from '@/components/frame/connection';
import { LiveAccount } from '@/components/frame/live-account';
import { Palette } from '@/components/frame/palette';
import { Rail } from '@/components/frame/rail';

export default function AppLayout({ children }: { children: ReactNode }) {
  return (
    <div className="flex min-h-dvh">
      <a href="#main" className="sr-only focus:not-sr-only focus:fixed focus:top-2 focus:left-2 focus:z-50 focus:rounded-control focus:bg-panel focus:px-3 focus:py-2">To the content</a>
      <Rail />
      <main id="main" className="min-w-0 flex-1 max-md:pb-16"><Connection>{children}</Connection></main>
      <Palette />
      <LiveAccount />
    </div>
  );
}
