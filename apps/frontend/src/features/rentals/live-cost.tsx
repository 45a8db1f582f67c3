'use client';
import type { RentalView } from '@muster/shared-types';
import { usd } from '@/lib/format.rules';
import { runningCost } from '@/lib/money.rules';
import { useNow } from '@/lib/use-now';
import { useSeenAt } from './use-seen-at';

/** The market's figure, going on by the rate between two answers. */
export function LiveCost({ rental, places = 4 }: { rental: RentalView; places?: number }) {
  const seenAt = useSeenAt(rental);
  const now = useNow();
  const { cost_usd, dph_total } = rental.billing;
  const isRunning = rental.status === 'running' && now > 0; // a stopped one moves too slowly to be watched
  return <span className="num">{usd(isRunning ? runningCost(cost_usd, dph_total, Math.min(now - seenAt, 20_000)) : cost_usd, places)}</span>;
}
