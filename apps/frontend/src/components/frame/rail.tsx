'use client';
import Link from 'next/link';
import { usePathname } from 'next/navigation';
import { Ellipsis, LogIn } from 'lucide-react';
import { useApi } from '@/lib/api';
import { cn } from '@/lib/cn';
import { Pop } from '../ui/hint';
import { AccountMenu } from './account-menu';
import { Logo } from './logo';
import { isAt, MAIN_PLACES, OPERATOR_PLACE, OWN_PLACES, type Place } from './places';
import { useFrame } from './providers';

/** Left on wide screens, with words where there is room for them; below on phones. */
export function Rail() {
  const { signedIn } = useFrame();
  const account = useApi('getAccount', {}, { enabled: signedIn });
  const own = [...(account.data?.is_operator ? [OPERATOR_PLACE] : []), ...OWN_PLACES];
  return (
    <>
      <nav aria-label="Main" className="sticky top-0 hidden h-dvh w-14 shrink-0 flex-col gap-0.5 border-r border-line bg-panel px-2 pb-3 md:flex xl:w-48">
        <Link href="/market" aria-label="muster, to the market" className="flex h-14 items-center px-2.5"><Logo wordClass="max-xl:hidden" /></Link>
        {MAIN_PLACES.map((place) => <RailLink key={place.href} place={place} />)}
        <div className="mt-auto flex flex-col gap-0.5">
          {signedIn ? own.map((place) => <RailLink key={place.href} place={place} />) : <RailLink place={{ href: '/sign-in', name: 'Sign in', icon: LogIn }} />}
          {signedIn && <AccountMenu email={account.data?.email ?? ''} />}
        </div>
      </nav>
      <BottomBar own={own} signedIn={signedIn} email={account.data?.email ?? ''} />
    </>
  );
}

function RailLink({ place }: { place: Place }) {
  const at = isAt(usePathname(), place);
  const Icon = place.icon;
  return (
    <Link href={place.href} title={place.name} aria-current={at ? 'page' : undefined} className={cn('flex h-9 items-center gap-3 rounded-control px-2.5 text-14 text-dim transition-colors hover:bg-sunken hover:text-ink', at && 'bg-sunken text-ink font-medium')}>
      <Icon aria-hidden className={cn('size-[18px] shrink-0', at && 'text-accent-ink')} strokeWidth={1.75} />
      <span className="max-xl:sr-only">{place.name}</span>
    </Link>
  );
}

const PHONE_PLACES = ['/market', '/rentals', '/jobs', '/fleet'];

function BottomBar({ own, signedIn, email }: { own: readonly Place[]; signedIn: boolean; email: string }) {
  const first = MAIN_PLACES.filter(({ href }) => PHONE_PLACES.includes(href));
  const rest = [...MAIN_PLACES.filter(({ href }) => !PHONE_PLACES.includes(href)), ...(signedIn ? own : [{ href: '/sign-in', name: 'Sign in', icon: LogIn }])];
  const more = (
    <button type="button" className="flex flex-1 flex-col items-center justify-center gap-0.5 text-12 text-dim">
      <Ellipsis aria-hidden className="size-5" />
      More
    </button>
  );
  return (
    <nav aria-label="Main, small screen" className="fixed inset-x-0 bottom-0 z-30 flex h-14 border-t border-line bg-panel pb-[env(safe-area-inset-bottom)] md:hidden">
      {first.map((place) => <BarLink key={place.href} place={place} />)}
      <Pop trigger={more} label="More places" className="w-56 p-1.5">
        {rest.map(({ href, name, icon: Icon }) => (
          <Link key={href} href={href} className="flex h-11 items-center gap-3 rounded-control px-3 text-14 hover:bg-sunken"><Icon aria-hidden className="size-[18px] text-dim" strokeWidth={1.75} />{name}</Link>
        ))}
        {signedIn && <AccountMenu email={email} flat />}
      </Pop>
    </nav>
  );
}

function BarLink({ place }: { place: Place }) {
  const at = isAt(usePathname(), place);
  const Icon = place.icon;
  return (
    <Link href={place.href} aria-current={at ? 'page' : undefined} className={cn('flex flex-1 flex-col items-center justify-center gap-0.5 text-12 text-dim', at && 'text-ink font-medium')}>
      <Icon aria-hidden className={cn('size-5', at && 'text-accent-ink')} strokeWidth={1.75} />
      {place.name}
    </Link>
  );
}
