'use client';
import { CircleUserRound, LogOut } from 'lucide-react';
import { Pop } from '../ui/hint';
import { signOut } from './sign-out';

export function AccountMenu({ email, flat = false }: { email: string; flat?: boolean }) {
  const out = (
    <button type="button" onClick={() => void signOut()} className="flex h-10 w-full items-center gap-3 rounded-control px-3 text-14 hover:bg-sunken">
      <LogOut aria-hidden className="size-[18px] text-dim" strokeWidth={1.75} />
      Sign out
    </button>
  );
  if (flat) return out;
  const trigger = (
    <button type="button" title={email} className="flex h-9 items-center gap-3 rounded-control px-2.5 text-14 text-dim hover:bg-sunken hover:text-ink">
      <CircleUserRound aria-hidden className="size-[18px] shrink-0" strokeWidth={1.75} />
      <span className="sr-only">Account</span>
      <span className="truncate max-xl:hidden">{email}</span>
    </button>
  );
  return (
    <Pop trigger={trigger} align="start" label="Account" className="w-60 p-1.5">
      <p className="truncate px-3 py-2 text-13 text-dim">{email}</p>
      {out}
    </Pop>
  );
}
