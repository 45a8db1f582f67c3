'use client';
import type { MarketPrice } from '@muster/shared-types';
import { Panel } from '@/components/ui/panel';
import { useApi } from '@/lib/api';
import { cn } from '@/lib/cn';
import { plural, usd } from '@/lib/format.rules';
import { barsOf, pathOf } from './price-shape.rules';

/** What the looked-for model costs on this market: how prices spread now, and how their middle moved. Without a model: each in a line. */
export function PricePanel({ model, onChoose }: { model: string; onChoose: (gpuName: string | null) => void }) {
  const prices = useApi('marketPrices', { query: model === '' ? {} : { gpu_name: model } }, { every: 60_000, keep: true });
  const items = prices.data?.items.filter(({ nodes }) => nodes > 0) ?? [];
  if (items.length === 0) return null;
  const [one] = items;
  return (
    <Panel title="Prices" note={model === '' ? 'per GPU, or per vCPU on machines without' : undefined} flush>
      {model !== '' && one ? <One price={one} /> : <ul>{items.map((price) => <Line key={price.gpu_name ?? ''} price={price} onChoose={onChoose} />)}</ul>}
    </Panel>
  );
}

const nameOf = (price: MarketPrice): string => price.gpu_name ?? 'without GPU';

function Line({ price, onChoose }: { price: MarketPrice; onChoose: (gpuName: string | null) => void }) {
  return (
    <li className="border-b border-line last:border-0">
      <button type="button" onClick={() => onChoose(price.gpu_name)} className="grid w-full grid-cols-[minmax(0,1fr)_auto] items-center gap-x-4 gap-y-1 px-4 py-2 text-left text-13 hover:bg-sunken">
        <span className="truncate">{nameOf(price)} <span className="text-dim">· {price.free} free</span></span>
        <span className="num">{usd(price.median_usd, 4)}</span>
        <Bars price={price} className="h-4" />
        <span className="num text-12 text-dim">{usd(price.min_usd, 4)} – {usd(price.max_usd, 4)}</span>
      </button>
    </li>
  );
}

function One({ price }: { price: MarketPrice }) {
  const values: [string, string][] = [['cheapest', price.min_usd], ['P10', price.p10_usd], ['median', price.median_usd], ['P90', price.p90_usd]];
  return (
    <div className="p-4">
      <p className="text-14">{nameOf(price)} <span className="text-13 text-dim">$ per {price.unit}, {plural(price.nodes, 'machine')}</span></p>
      <Bars price={price} className="mt-3 h-14" />
      <p className="num mt-1 flex justify-between text-12 text-dim"><span>{usd(price.min_usd, 4)}</span><span>{usd(price.max_usd, 4)}</span></p>
      <dl className="mt-3 grid grid-cols-2 gap-x-4 gap-y-1 text-13">{values.map(([name, value]) => <div key={name} className="flex justify-between"><dt className="text-dim">{name}</dt><dd className="num">{usd(value, 4)}</dd></div>)}</dl>
      {price.history.length > 1 && <History price={price} />}
    </div>
  );
}

/** How many machines ask which price; the bar with the median is marked. */
export function Bars({ price, mark, className }: { price: MarketPrice; mark?: number | undefined; className?: string | undefined }) {
  return (
    <div role="img" aria-label={`Prices from ${usd(price.min_usd, 4)} to ${usd(price.max_usd, 4)}, half below ${usd(price.median_usd, 4)}`} className={cn('flex items-end gap-px', className)}>
      {barsOf(price, mark).map(({ key, height, kind }) => <span key={key} className={cn('min-w-px flex-1', kind === 'own' ? 'bg-accent' : kind === 'median' ? 'bg-dim' : 'bg-line-strong')} style={{ height: `${height}%` }} />)}
    </div>
  );
}

function History({ price }: { price: MarketPrice }) {
  return (
    <figure className="mt-4 border-t border-line pt-3">
      <figcaption className="mb-1 text-12 text-dim">median over the last days</figcaption>
      <svg role="img" aria-label={`The median went from ${usd(price.history[0]?.median_usd ?? '0.000000', 4)} to ${usd(price.median_usd, 4)}`} viewBox="0 0 100 30" preserveAspectRatio="none" className="h-12 w-full text-accent-ink"><path d={pathOf(price.history.map(({ median_usd }) => Number(median_usd)))} fill="none" stroke="currentColor" strokeWidth="1.5" vectorEffect="non-scaling-stroke" /></svg>
    </figure>
  );
}
