'use client';
import { type KeyboardEvent, useId, useState } from 'react';
import { useRouter } from 'next/navigation';
import { useApi } from '@/lib/api';
import { cn } from '@/lib/cn';
import { shortId } from '@/lib/format.rules';
import { Ask } from '../ui/sheet';
import { MAIN_PLACES, OWN_PLACES } from './places';
import { useFrame } from './providers';
import { signOut } from './sign-out';

interface Verb {
  name: string;
  /** The command of the CLI that does the same. */
  cli: string;
  run: () => void;
}

/** The verbs of the command line, by name. */
export function PaletteWindow({ onClose }: { onClose: () => void }) {
  const verbs = useVerbs();
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const listId = useId();
  const found = verbs.filter((verb) => matches(`${verb.name} ${verb.cli}`, text)).slice(0, 12);
  const run = (verb: Verb | undefined): void => {
    if (!verb) return;
    onClose();
    verb.run();
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.key === 'Enter') return run(found[at]);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    setAt((before) => Math.min(found.length - 1, Math.max(0, before + step)));
  };
  return (
    <Ask open onClose={onClose} title="Commands">
      <input autoFocus role="combobox" aria-expanded aria-controls={listId} aria-activedescendant={found[at] ? `${listId}-${at}` : undefined} aria-label="Search commands" placeholder="rent, ssh, submit, drain…" value={text} onChange={(event) => { setText(event.target.value); setAt(0); }} onKeyDown={onKey} className="h-11 w-full border-b border-line bg-panel px-5 text-14 outline-none" />
      <ul id={listId} role="listbox" aria-label="Commands" className="p-1.5">
        {found.map((verb, index) => (
          <li key={verb.name} id={`${listId}-${index}`} role="option" aria-selected={index === at} onClick={() => run(verb)} onMouseMove={() => setAt(index)} className={cn('flex h-9 cursor-pointer items-center gap-3 rounded-control px-3.5 text-14', index === at && 'bg-sunken')}>
            <span className="min-w-0 flex-1 truncate">{verb.name}</span>
            <code className="num text-12 text-dim">{verb.cli}</code>
          </li>
        ))}
      </ul>
      {found.length === 0 && <p className="px-5 pb-5 text-13 text-dim">No command has these words. Every page is here by its name, and every live rental by its id.</p>}
    </Ask>
  );
}

const matches = (haystack: string, needle: string): boolean => needle.toLowerCase().split(/\s+/).every((word) => haystack.toLowerCase().includes(word));

function useVerbs(): Verb[] {
  const router = useRouter();
  const { signedIn } = useFrame();
  const rentals = useApi('listRentals', { query: { state: 'live' } }, { enabled: signedIn });
  const go = (href: string) => () => router.push(href);
  const live = (rentals.data?.items ?? []).map((rental) => ({ name: `Rental ${shortId('rental', rental.id)} · ${rental.status}`, cli: `muster ssh ${shortId('rental', rental.id)}`, run: go(`/rentals/${rental.id}`) }));
  const CLI: Record<string, string> = { '/market': 'muster search', '/rentals': 'muster ls', '/jobs': 'muster list', '/fleet': 'muster node ls', '/stats': 'muster stats', '/wallet': 'muster balance', '/keys': 'muster keys ls', '/settings': '' };
  return [
    ...live,
    ...[...MAIN_PLACES, ...OWN_PLACES].map((place) => ({ name: place.name, cli: CLI[place.href] ?? '', run: go(place.href) })),
    { name: 'Submit a job', cli: 'muster submit', run: go('/jobs/new') },
    { name: 'Add a machine', cli: 'muster node join', run: go('/fleet/add') },
    { name: 'Add an SSH key', cli: '', run: go('/keys#ssh') },
    { name: 'Contributor wall', cli: '', run: go('/wall') },
    ...(signedIn ? [{ name: 'Sign out', cli: '', run: () => void signOut() }] : [{ name: 'Sign in', cli: '', run: go('/sign-in') }]),
  ];
}
