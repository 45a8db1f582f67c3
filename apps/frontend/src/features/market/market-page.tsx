'use client';
import { useState } from 'react';
import dynamic from 'next/dynamic';
import Link from 'next/link';
import { useRouter, useSearchParams } from 'next/navigation';
import { LayoutList } from 'lucide-react';
import type { Offer } from '@muster/shared-types';
import { PageBody, TopLine } from '@/components/frame/top-line';
import { Button } from '@/components/ui/button';
import { Empty, Trouble, Waiting } from '@/components/ui/notice';
import { useApi } from '@/lib/api';
import { plural, usd } from '@/lib/format.rules';
import { FilterBar } from './filter-bar';
import { modelOf, readQuery, readSearch, type Search, searchOf, withModel, writeSearch } from './filters.rules';
import { PricePanel } from './price-panel';
import { OfferTable } from './offer-table';
import { useOffers } from './use-offers';

const RentSheet = dynamic(() => import('../rent/rent-sheet').then((module) => module.RentSheet), { ssr: false });

/** The address holds what is looked for and which offer is open, so that a page can be sent to somebody. */
export function MarketPage() {
  const router = useRouter();
  const params = useSearchParams();
  const search = readSearch(params);
  const isWrong = readQuery(search.q).error !== undefined;
  const [chosen, setChosen] = useState<Offer | undefined>();
  const offers = useOffers(search, !isWrong);
  const change = (next: Partial<Search>): void => router.replace(`/market${writeSearch({ ...search, ...next })}`, { scroll: false });
  return (
    <>
      <TopLine title="Market" state={offers.error && offers.items.length === 0 ? 'The offers are not known' : stateOf(offers.items, offers.isPending)} cli={[cliOf(search)]} http={[{ name: 'searchOffers', request: searchOf(search) }]} />
      <PageBody>
        <div className="grid items-start gap-4 2xl:grid-cols-[minmax(0,1fr)_300px]">
        <div className="min-w-0 rounded-panel border border-line bg-panel">
          <FilterBar q={search.q} offers={offers.items} onChange={(q) => change({ q })} />
          {isWrong ? <Empty title="The query cannot be read" action={<Button onClick={() => change({ q: '' })}>Clear it</Button>}>What is wrong is marked above.</Empty> : <Offers offers={offers} order={search.order} onOrder={(order) => change({ order })} isFiltered={search.q !== ''} onClear={() => change({ q: '' })} onRent={setChosen} />}
        </div>
        {!isWrong && <PricePanel model={modelOf(search.q)} onChoose={(name) => change({ q: withModel(search.q, name) })} />}
        </div>
      </PageBody>
      {chosen && <RentSheet offer={chosen} onClose={() => setChosen(undefined)} />}
    </>
  );
}

const cliOf = ({ q, order }: Search): string => `muster search${q === '' ? '' : ` '${q}'`}${order === '' ? '' : ` -o '${order}'`}`;

function stateOf(items: readonly Offer[], isPending: boolean): string {
  if (isPending) return 'Looking at what is free';
  const nodes = new Set(items.map(({ node_id }) => node_id)).size;
  const [first] = items;
  return first ? `${plural(items.length, 'offer')} on ${plural(nodes, 'machine')}, from ${usd(first.dph_total, 4)}/h` : 'Nothing is free at the moment';
}

interface OffersProps {
  offers: ReturnType<typeof useOffers>;
  order: string;
  onOrder: (order: string) => void;
  isFiltered: boolean;
  onClear: () => void;
  onRent: (offer: Offer) => void;
}

function Offers({ offers, order, onOrder, isFiltered, onClear, onRent }: OffersProps) {
  if (offers.isPending) return <Waiting rows={10} label="Loading offers" />;
  if (offers.error && offers.items.length === 0) return <Trouble className="m-4" error={offers.error} what="The offers could not be loaded" money="No money moved." onRetry={offers.retry} />;
  if (offers.items.length === 0) return isFiltered ? <NothingFits onClear={onClear} /> : <EmptyMarket />;
  return <OfferTable offers={offers.items} order={order} onOrder={onOrder} onRent={onRent} onEnd={offers.more} isMore={offers.isMore} />;
}

function NothingFits({ onClear }: { onClear: () => void }) {
  return <Empty title="No offer fits all of this" action={<Button look="primary" onClick={onClear}>Clear all filters</Button>}>Take a condition away, or come back: machines that are busy now return when their rentals end.</Empty>;
}

function AllTaken({ machines }: { machines: number }) {
  return (
    <Empty icon={<LayoutList />} title="Everything is taken at the moment" action={<Button asChild><Link href="/stats">See the machines</Link></Button>}>
      {plural(machines, 'machine')} of this market {machines === 1 ? 'is' : 'are'} online, and rentals or jobs hold all of {machines === 1 ? 'it' : 'them'}, or {machines === 1 ? 'it is' : 'they are'} not listed. What becomes free appears here by itself.
    </Empty>
  );
}

function EmptyMarket() {
  const stats = useApi('stats', {});
  const up = (stats.data?.nodes['online'] ?? 0) + (stats.data?.nodes['busy'] ?? 0);
  if (up > 0) return <AllTaken machines={up} />;
  return (
    <Empty icon={<LayoutList />} title="No machine is on this market yet" action={<><Button asChild look="primary"><Link href="/fleet/add">Add a machine</Link></Button><Button asChild><Link href="/stats">See the market’s state</Link></Button></>}>
      Offers appear here as soon as a machine has joined, passed its checks and been listed by its owner. To have one at once, put this machine on the market: one command, and it is rented through the same path as everybody’s.
    </Empty>
  );
}
