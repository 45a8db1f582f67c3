'use client';
import { type FormEvent, useState } from 'react';
import type { NodeView } from '@muster/shared-types';
import { Button } from '@/components/ui/button';
import { Field, Input } from '@/components/ui/field';
import { Trouble } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { askAnew, useAction, useApi } from '@/lib/api';
import { usd } from '@/lib/format.rules';
import { Bars } from '../market/price-panel';
import { changedPrices, fullRate, pricesOf, type Prices, wrongPrices } from './prices.rules';

const LABELS: Record<keyof Prices, string> = { gpu_dph: '$ per GPU-hour', cpu_core_dph: '$ per vCPU-hour', ram_gib_dph: '$ per GiB-hour', storage_cost: '$ per GB-month' };

/** Prices of a machine; running rentals keep theirs. Says what the whole machine then brings. */
export function PriceEditor({ node }: { node: NodeView }) {
  const [typed, setTyped] = useState<Prices>(() => pricesOf(node.pricing));
  const action = useAction('priceNode', (answer, queries) => {
    setTyped(pricesOf(answer.pricing));
    askAnew(queries, 'getNode', 'searchOffers');
  });
  const wrong = wrongPrices(typed);
  const changed = changedPrices(typed, node.pricing);
  const names = (Object.keys(LABELS) as (keyof Prices)[]).filter((name) => name !== 'gpu_dph' || node.num_gpus > 0);
  const save = (event: FormEvent): void => {
    event.preventDefault();
    action.mutate({ params: { node_id: node.id }, body: changed });
  };
  return (
    <Panel title="Prices" note="Running rentals keep theirs">
      <form onSubmit={save} className="flex flex-col gap-3">
        <div className="grid grid-cols-2 gap-3">
          {names.map((name) => <Field key={name} label={LABELS[name]} error={wrong.includes(name) ? 'An amount, e.g. 0.012' : undefined}>{(wiring) => <Input {...wiring} inputMode="decimal" className="num text-right" value={typed[name]} onChange={(event) => setTyped({ ...typed, [name]: event.target.value.trim() })} />}</Field>)}
        </div>
        {wrong.length === 0 && <p className="text-13 text-dim">Rented whole, it brings <span className="num text-ink">{usd(fullRate(typed, node), 4)}/h</span> plus disk.</p>}
        <MarketSpread node={node} typed={typed} />
        {action.error !== null && <Trouble error={action.error} what="The prices stay as they were" />}
        <div className="flex items-center gap-2">
          <Button type="submit" look="primary" busy={action.isPending} disabled={wrong.length > 0 || Object.keys(changed).length === 0}>Set prices</Button>
          {Object.keys(changed).length > 0 && <Button look="quiet" onClick={() => setTyped(pricesOf(node.pricing))}>Back to what they are</Button>}
        </div>
      </form>
    </Panel>
  );
}

/** Where the price would stand among those of machines of the same kind: per GPU, or per vCPU, with its share of the rest. */
function MarketSpread({ node, typed }: { node: NodeView; typed: Prices }) {
  const prices = useApi('marketPrices', { query: { gpu_name: node.gpu_name?.replaceAll(' ', '_') ?? 'cpu' } });
  const [price] = prices.data?.items ?? [];
  if (!price || price.nodes === 0 || wrongPrices(typed).length > 0) return null;
  const own = Number(fullRate(typed, node)) / Math.max(1, node.num_gpus > 0 ? node.num_gpus : node.cpu_cores);
  return (
    <div className="border-t border-line pt-3">
      <p className="mb-2 text-13 text-dim">{price.nodes === 1 ? 'One machine' : `${price.nodes} machines`} of this kind on the market, $ per {price.unit}. Yours, without disk: <span className="num text-ink">{usd(own.toFixed(6), 4)}</span></p>
      <Bars price={price} mark={own} className="h-10" />
      <dl className="num mt-2 flex justify-between text-12 text-dim">{([['P10', price.p10_usd], ['median', price.median_usd], ['P90', price.p90_usd]] as const).map(([name, value]) => <div key={name} className="flex gap-1.5"><dt>{name}</dt><dd className="text-ink">{usd(value, 4)}</dd></div>)}</dl>
    </div>
  );
}
