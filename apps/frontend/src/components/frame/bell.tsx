'use client';
import { useState } from 'react';
import Link from 'next/link';
import { Bell as BellIcon } from 'lucide-react';
import type { NotificationView } from '@muster/shared-types';
import { askAnew, useAction, useApi } from '@/lib/api';
import { cn } from '@/lib/cn';
import { Button } from '../ui/button';
import { Pop } from '../ui/hint';
import { Trouble } from '../ui/notice';
import { Ago } from '../ui/time';
import { useFrame } from './providers';

const REQUEST = { query: { limit: 30 } };

/** What this account was told; how much of it is unread stands beside the bell. */
export function Bell() {
  const { signedIn } = useFrame();
  const told = useApi('listNotifications', REQUEST, { enabled: signedIn, every: 60_000 });
  const read = useAction('readNotifications', (_, queries) => askAnew(queries, 'listNotifications'));
  if (!signedIn) return null;
  const unread = told.data?.unread ?? 0;
  const trigger = (
    <button type="button" aria-label={unread > 0 ? `Notifications, ${unread} unread` : 'Notifications'} title="Notifications" className="flex items-center gap-1 rounded-control p-1.5 text-dim hover:bg-sunken hover:text-ink">
      <BellIcon aria-hidden className="size-4" />
      {unread > 0 && <span aria-hidden className="num text-12 text-attention">{unread}</span>}
    </button>
  );
  return (
    <Pop trigger={trigger} label="Notifications" className="p-0">
      <header className="flex items-center justify-between border-b border-line px-3 py-2"><h2 className="text-13 font-medium">Notifications</h2>{unread > 0 && <Button size="small" look="quiet" busy={read.isPending} onClick={() => read.mutate({ body: {} })}>Mark all as read</Button>}</header>
      {told.error && !told.data && <Trouble className="m-3" error={told.error} what="They could not be loaded" onRetry={() => void told.refetch()} />}
      {told.data?.items.length === 0 && <p className="p-4 text-13 text-dim">Nothing yet. You are told here when a rental runs or ends, when money gets low, and when a machine of yours needs you.</p>}
      <ul>{told.data?.items.map((one) => <Told key={one.id} one={one} />)}</ul>
    </Pop>
  );
}

const PLACES = { rental: '/rentals/', node: '/fleet/', job: '/jobs/', account: '' } as const;

function Told({ one }: { one: NotificationView }) {
  const [open, setOpen] = useState(false);
  const href = one.subject && one.subject.kind !== 'account' ? `${PLACES[one.subject.kind]}${one.subject.id}` : undefined;
  return (
    <li className={cn('border-b border-line px-3 py-2 text-13 last:border-0', one.read_at === null && 'border-l-2 border-l-attention-mark')}>
      <p className="flex items-baseline gap-2"><span className="min-w-0 flex-1">{href ? <Link href={href} className="hover:underline">{one.title}</Link> : one.title}</span><Ago at={one.at} className="num shrink-0 text-12 text-dim" /></p>
      {one.message !== '' && <button type="button" aria-expanded={open} onClick={() => setOpen(!open)} className={cn('mt-0.5 w-full text-left text-dim', !open && 'truncate')}>{one.message}</button>}
    </li>
  );
}
