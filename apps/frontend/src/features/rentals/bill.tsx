'use client';
import type { RentalView } from '@muster/shared-types';
import { Panel } from '@/components/ui/panel';
import { Until, When } from '@/components/ui/time';
import { useApi } from '@/lib/api';
import { duration, quantity, rate, usd } from '@/lib/format.rules';
import { costOf } from '@/lib/money.rules';
import { LiveCost } from './live-cost';
import { isOver } from './rental.rules';

const ENDS = { balance: 'when the balance is used up', spend_limit: 'at your limit', run_until: 'at the end you set' } as const;
const PART_NAMES = { gpu: 'GPU', cpu: 'vCPU', ram: 'RAM', disk: 'Disk' } as const;

/** What it has cost, what it goes on to cost, and when that ends; the receipt when it is over. */
export function Bill({ rental }: { rental: RentalView }) {
  const { billing } = rental;
  const over = isOver(rental);
  return (
    <Panel title={over ? 'Receipt' : 'Cost'}>
      <p className="num text-28 tracking-tight"><LiveCost rental={rental} places={6} /></p>
      <p className="mt-1 text-13 text-dim">{over ? 'in all' : 'so far'}, <span className="num">{duration(billing.billed_seconds)}</span> settled{billing.billed_through && <> until <When at={billing.billed_through} className="num" /></>}</p>
      <dl className="mt-4 grid grid-cols-[1fr_auto] gap-x-4 gap-y-1 text-13">
        {billing.parts.map((part) => <div key={part.name} className="contents"><dt className="text-dim">{PART_NAMES[part.name]} <span className="num text-12">{quantity(part.quantity)} × {usd(part.unit_price_usd)} per {part.unit}</span></dt><dd className="num text-right">{usd(part.usd_per_hour)}/h</dd></div>)}
        <div className="contents"><dt className="border-t border-line pt-1">Rate</dt><dd className="num border-t border-line pt-1 text-right">{rate(billing.dph_total)}</dd></div>
      </dl>
      {!over && (
        <p className="mt-3 text-13 text-dim">
          A day more costs <span className="num">{usd(costOf(billing.dph_total, 24), 2)}</span>.
          {billing.deadline_at && billing.deadline_by && <> It ends {ENDS[billing.deadline_by]}, in <Until at={billing.deadline_at} className="num" />.</>}
          {billing.max_spend_usd && <> You cannot be charged more than <span className="num">{usd(billing.max_spend_usd)}</span>.</>}
        </p>
      )}
      <Lines rentalId={rental.id} isLive={!over} />
    </Panel>
  );
}

function Lines({ rentalId, isLive }: { rentalId: string; isLive: boolean }) {
  const lines = useApi('listStatement', { query: { rental_id: rentalId, limit: 20 } }, { every: isLive ? 60_000 : 5_000 });
  if (!lines.data || lines.data.items.length === 0) return null;
  return (
    <ul className="mt-4 border-t border-line pt-3 text-13">
      {lines.data.items.map((line) => (
        <li key={line.id} className="flex items-baseline gap-3 py-0.5"><When at={line.at} className="num text-12 text-dim" /><span className="num ml-auto">{line.type === 'DEBIT' ? '−' : '+'}{usd(line.amount_usd)}</span></li>
      ))}
    </ul>
  );
}
