'use client';
import Link from 'next/link';
import { useApi } from '@/lib/api';
import { cn } from '@/lib/cn';
import { duration, usd } from '@/lib/format.rules';
import { useNow } from '@/lib/use-now';
import { urgencyOf } from '@/lib/money.rules';
import { useFrame } from './providers';

const EVERY_MS = 10_000;

/** Always there: what is left, what goes per hour, and when it is gone. */
export function MoneyStrip() {
  const { signedIn } = useFrame();
  const balance = useApi('getBalance', {}, { enabled: signedIn, every: EVERY_MS });
  const now = useNow();
  if (!signedIn) return null;
  if (!balance.data) return <span className="skeleton h-4 w-40" role="status" aria-label="Loading the balance" />;
  const { available_usd, burn_usd_per_hour, zero_at } = balance.data;
  const leftS = zero_at && now ? (Date.parse(zero_at) - now) / 1000 : undefined;
  const urgency = urgencyOf(leftS);
  return (
    <Link href="/wallet" className="num flex items-center gap-2 rounded-control px-1.5 py-1 text-13 whitespace-nowrap hover:bg-sunken" title="Balance, what running rentals cost per hour, and when it is used up">
      <span>{usd(available_usd, 2)}</span>
      {Number(burn_usd_per_hour) > 0 && (
        <>
          <span aria-hidden className="text-faint">·</span>
          <span className="text-dim">−{usd(burn_usd_per_hour, 3)}/h</span>
        </>
      )}
      {leftS !== undefined && (
        <span className={cn('flex items-center gap-2 max-sm:hidden', urgency === 'soon' && 'text-attention', urgency === 'now' ? 'text-failed' : 'text-dim', urgency === 'soon' && 'text-attention')}>
          <span aria-hidden className="text-faint">·</span>
          {duration(leftS)}{urgency === 'calm' ? '' : ' left'}
        </span>
      )}
    </Link>
  );
}
