import { Boxes, ChartNoAxesColumn, KeyRound, LayoutList, type LucideIcon, Server, Settings, ShieldCheck, SquareTerminal, Wallet } from 'lucide-react';

export interface Place {
  href: string;
  name: string;
  icon: LucideIcon;
  /** Shown without an account. */
  open?: boolean;
}

export const MAIN_PLACES: readonly Place[] = [
  { href: '/market', name: 'Market', icon: LayoutList, open: true },
  { href: '/rentals', name: 'Rentals', icon: SquareTerminal },
  { href: '/jobs', name: 'Jobs', icon: Boxes },
  { href: '/fleet', name: 'Fleet', icon: Server },
  { href: '/stats', name: 'Stats', icon: ChartNoAxesColumn, open: true },
  { href: '/wallet', name: 'Wallet', icon: Wallet },
];
export const OWN_PLACES: readonly Place[] = [
  { href: '/keys', name: 'Keys', icon: KeyRound },
  { href: '/settings', name: 'Settings', icon: Settings },
];
export const OPERATOR_PLACE: Place = { href: '/operator', name: 'Operator', icon: ShieldCheck };

export const isAt = (pathname: string, { href }: Place): boolean => pathname === href || pathname.startsWith(`${href}/`) || (href === '/stats' && pathname === '/wall');
