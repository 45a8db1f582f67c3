'use client';
import { useState } from 'react';
import dynamic from 'next/dynamic';
import { SquareTerminal } from 'lucide-react';
import { Button } from '@/components/ui/button';
import { Panel } from '@/components/ui/panel';

const Terminal = dynamic(() => import('./terminal').then((module) => module.Terminal), { ssr: false, loading: () => <div className="skeleton h-[420px]" /> });

/** A shell in the instance, in the page. Opened by hand: it is one more login. */
export function TerminalPanel({ rentalId }: { rentalId: string }) {
  const [session, setSession] = useState(0);
  const [ended, setEnded] = useState<string | undefined>();
  const open = (): void => { setEnded(undefined); setSession((before) => before + 1); };
  const isOpen = session > 0 && ended === undefined;
  return (
    <Panel title="Terminal" note={ended ?? (isOpen ? 'a login shell; it ends with this page' : undefined)} flush action={!isOpen && <Button size="small" onClick={open}><SquareTerminal aria-hidden />{session === 0 ? 'Open a shell' : 'Open another'}</Button>}>
      {session > 0 && <Terminal key={session} rentalId={rentalId} onEnd={setEnded} />}
    </Panel>
  );
}
