'use client';
import type { Quote } from '@muster/shared-types';
import { Until, When } from '@/components/ui/time';
import { cn } from '@/lib/cn';
import { duration, quantity, usd } from '@/lib/format.rules';
import { Remark } from '@/components/ui/notice';

const PART_NAMES = { gpu: 'GPU', cpu: 'vCPU', ram: 'RAM', disk: 'Disk' } as const;
const ENDS = { balance: 'when the balance is used up', spend_limit: 'at your limit', run_until: 'at the end you set' } as const;

/** The rate, its parts, what it can cost at most, and when it ends. */
export function CostSide({ quote, isStale }: { quote: Quote | undefined; isStale: boolean }) {
  if (!quote) return <div role="status" aria-label="Asking for the price" className="flex flex-col gap-3 rounded-panel border border-line bg-panel p-4">{[0, 1, 2, 3, 4].map((row) => <div key={row} className="skeleton h-4" />)}</div>;
  return (
    <div className={cn('rounded-panel border border-line bg-panel', isStale && 'stale')} aria-busy={isStale}>
      <div className="border-b border-line p-4">
        <p className="num text-28 tracking-tight">{usd(quote.dph_total)}<span className="text-14 text-dim"> per hour</span></p>
        <dl className="mt-3 grid grid-cols-[1fr_auto] gap-x-4 gap-y-1 text-13">
          {quote.parts.map((part) => (
            <div key={part.name} className="contents">
              <dt className="text-dim">{PART_NAMES[part.name]} <span className="num text-12">{quantity(part.quantity)} × {usd(part.unit_price_usd)} per {part.unit}</span></dt>
              <dd className="num text-right">{usd(part.usd_per_hour)}</dd>
            </div>
          ))}
        </dl>
      </div>
      <div className="flex flex-col gap-2 p-4 text-13">
        <p className="text-14">You cannot be charged more than <strong className="num">{usd(quote.max_charge_usd)}</strong>.</p>
        <p className="text-dim">It ends {ENDS[quote.ends_by]}, in <Until at={quote.ends_at} /> at the latest: <When at={quote.ends_at} className="num" />. You can destroy it at any time before.</p>
        <p className="text-dim">Ready in about <span className="num">{duration(quote.eta_s)}</span>: the image is {quote.image_present ? 'on the machine already' : 'pulled first'}. That time is free.</p>
        <p className="text-dim">Your balance now: <span className="num">{usd(quote.available_usd)}</span></p>
        {quote.warnings.map((warning) => <Remark key={warning} tone="attention">{warning}</Remark>)}
      </div>
    </div>
  );
}
