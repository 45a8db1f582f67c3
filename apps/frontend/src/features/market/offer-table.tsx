'use client';
import { type KeyboardEvent, type ReactNode, useEffect, useLayoutEffect, useRef, useState } from 'react';
import { useWindowVirtualizer } from '@tanstack/react-virtual';
import type { Offer, QueryFieldName } from '@muster/shared-types';
import { Button } from '@/components/ui/button';
import { Hint } from '@/components/ui/hint';
import { cn } from '@/lib/cn';
import { gb, gib, percent, usd } from '@/lib/format.rules';
import { directionOf, nextOrder } from './filters.rules';
import { nameOf, offerPrice } from './price-parts.rules';

const ROW_PX = 40;

interface Props {
  offers: readonly Offer[];
  order: string;
  onOrder: (order: string) => void;
  onRent: (offer: Offer) => void;
  onEnd: () => void;
  isMore: boolean;
}

interface Col {
  id: string;
  title: string;
  right?: boolean;
  hide?: string;
  /** Ordered by, and which way is the better one. */
  by?: [QueryFieldName, 'ascending' | 'descending'];
  cell: (offer: Offer) => ReactNode;
}

const COLS: readonly Col[] = [
  { id: 'what', title: 'GPU or CPU', by: ['num_gpus', 'descending'], cell: (offer) => <What offer={offer} /> },
  { id: 'price', title: 'Price', by: ['dph_total', 'ascending'], right: true, cell: (offer) => <Price offer={offer} /> },
  { id: 'cpu', title: 'vCPU', by: ['cpu_cores', 'descending'], right: true, hide: 'max-md:hidden', cell: (offer) => <span className="num">{offer.cpu_cores}</span> },
  { id: 'ram', title: 'RAM', by: ['cpu_ram_mb', 'descending'], right: true, hide: 'max-md:hidden', cell: (offer) => <span className="num">{gib(offer.cpu_ram_mb)}</span> },
  { id: 'disk', title: 'Disk', by: ['disk_space', 'descending'], right: true, hide: 'max-lg:hidden', cell: (offer) => <span className="num">{gb(offer.disk_space)}</span> },
  { id: 'place', title: 'Place', hide: 'max-lg:hidden', cell: (offer) => <span className="num">{offer.geolocation ?? '–'}</span> },
  { id: 'reliability', title: 'Reliability', by: ['reliability', 'descending'], right: true, hide: 'max-sm:hidden', cell: (offer) => <span className="num">{percent(offer.reliability)}</span> },
  { id: 'isolation', title: 'Isolation', hide: 'max-xl:hidden', cell: (offer) => offer.isolation },
  { id: 'node', title: 'Machine', hide: 'max-xl:hidden', cell: (offer) => <span className="truncate">{offer.node_name}{offer.own_node && <span className="text-dim"> · yours</span>}</span> },
];
const GRID = 'grid items-center gap-x-6 px-4 max-sm:gap-x-3 [grid-template-columns:minmax(0,1.6fr)_auto_72px] sm:[grid-template-columns:minmax(0,1.6fr)_110px_104px_72px] md:[grid-template-columns:minmax(0,1.6fr)_110px_56px_88px_104px_72px] lg:[grid-template-columns:minmax(0,1.6fr)_110px_56px_88px_96px_56px_104px_72px] xl:[grid-template-columns:minmax(0,1.6fr)_110px_56px_88px_96px_56px_104px_88px_minmax(0,1fr)_72px]';

/** One table; only the rows near the window exist. ↑ ↓ move, Enter opens. */
export function OfferTable({ offers, order, onOrder, onRent, onEnd, isMore }: Props) {
  const list = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  useLayoutEffect(() => setTop((list.current?.getBoundingClientRect().top ?? 0) + window.scrollY), []);
  const rows = useWindowVirtualizer({ count: offers.length, estimateSize: () => ROW_PX, overscan: 12, scrollMargin: top });
  const shown = rows.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  useEffect(() => {
    if (isMore && last >= offers.length - 40) onEnd();
  }, [last, isMore, offers.length, onEnd]);
  return (
    <div role="table" aria-label="Offers" aria-rowcount={offers.length + 1} onKeyDown={moveFocus}>
      <div role="rowgroup" className="sticky top-14 z-10 bg-panel">
        <div role="row" aria-rowindex={1} className={cn(GRID, 'h-8 border-b border-line text-12 text-dim')}>
          {COLS.map((col) => <Title key={col.id} col={col} order={order} onOrder={onOrder} />)}
          <div role="columnheader"><span className="sr-only">Rent</span></div>
        </div>
      </div>
      <div ref={list} role="rowgroup" className="relative" style={{ height: rows.getTotalSize() }}>
        {(shown.length > 0 ? shown.map(({ index, start }) => ({ index, top: start - rows.options.scrollMargin })) : offers.slice(0, 25).map((_, index) => ({ index, top: index * ROW_PX }))).map(({ index, top }) => {
          const offer = offers[index];
          return offer && <OfferRow key={offer.id} offer={offer} index={index} top={top} onRent={onRent} />;
        })}
      </div>
    </div>
  );
}

function Title({ col: { title, right, hide, by }, order, onOrder }: { col: Col; order: string; onOrder: (order: string) => void }) {
  if (!by) return <div role="columnheader" className={cn(right && 'text-right', hide)}>{title}</div>;
  const direction = directionOf(order, by[0]);
  return (
    <div role="columnheader" aria-sort={direction} className={cn(right && 'text-right', hide)}>
      <button type="button" onClick={() => onOrder(nextOrder(order, ...by))} className={cn('hover:text-ink', direction !== 'none' && 'text-ink')}>{title}{direction !== 'none' && <span aria-hidden> {direction === 'ascending' ? '↑' : '↓'}</span>}</button>
    </div>
  );
}

function OfferRow({ offer, index, top, onRent }: { offer: Offer; index: number; top: number; onRent: (offer: Offer) => void }) {
  return (
    <div role="row" aria-rowindex={index + 2} onClick={() => onRent(offer)} className={cn(GRID, 'absolute inset-x-0 h-10 cursor-pointer border-b border-line text-13 focus-within:bg-sunken hover:bg-sunken')} style={{ top }}>
      {COLS.map(({ id, right, hide, cell }) => <div role="cell" key={id} className={cn('min-w-0', right && 'text-right', hide)}>{cell(offer)}</div>)}
      <div role="cell" className="text-right">
        <Button size="small" data-row={index} aria-label={`Rent ${nameOf(offer)} for ${usd(offer.dph_total, 4)} per hour`} onClick={(event) => { event.stopPropagation(); onRent(offer); }}>Rent</Button>
      </div>
    </div>
  );
}

function What({ offer }: { offer: Offer }) {
  return (
    <span className="flex min-w-0 items-baseline gap-2">
      <span className="shrink-0 text-14">{nameOf(offer)}</span>
      <span className="num truncate text-12 text-dim">{offer.num_gpus > 0 ? gib(offer.gpu_ram_mb) : offer.cpu_name}</span>
    </span>
  );
}

function Price({ offer }: { offer: Offer }) {
  return (
    <Hint side="right" text={<PriceParts offer={offer} />}>
      <span className="num text-14">{usd(offer.dph_total, 4)}<span className="text-12 text-dim">/h</span></span>
    </Hint>
  );
}

function PriceParts({ offer }: { offer: Offer }) {
  return (
    <span className="grid grid-cols-[auto_auto] gap-x-4 gap-y-0.5">
      {offerPrice(offer).map(({ name, amount }) => (
        <span key={name} className="contents"><span className="text-dim">{name}</span><span className="num text-right">{usd(amount)}/h</span></span>
      ))}
      <span className="text-dim">traffic</span><span className="num text-right">{Number(offer.inet_up_cost) + Number(offer.inet_down_cost) === 0 ? 'free' : `${usd(offer.inet_up_cost)} up, ${usd(offer.inet_down_cost)} down per GB`}</span>
    </span>
  );
}

/** Between the buttons of neighbouring rows. */
function moveFocus(event: KeyboardEvent<HTMLDivElement>): void {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const at = (event.target as HTMLElement).dataset['row'];
  if (step === undefined || at === undefined) return;
  const next = event.currentTarget.querySelector<HTMLElement>(`[data-row="${Number(at) + step}"]`);
  if (!next) return;
  event.preventDefault();
  next.focus();
  next.scrollIntoView({ block: 'nearest' });
}
