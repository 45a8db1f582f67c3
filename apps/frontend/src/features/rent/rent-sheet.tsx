'use client';
import { useRef, useState } from 'react';
import Link from 'next/link';
import { useRouter } from 'next/navigation';
import type { Offer } from '@muster/shared-types';
import { RefusedError } from '@muster/client';
import { useFrame } from '@/components/frame/providers';
import { Button } from '@/components/ui/button';
import { Empty, Trouble } from '@/components/ui/notice';
import { Sheet } from '@/components/ui/sheet';
import { askAnew, useAction, useApi } from '@/lib/api';
import { gb, gib, percent, rate, usd } from '@/lib/format.rules';
import { nameOf } from '../market/price-parts.rules';
import { CostSide } from './cost-side';
import { useSettled } from './use-settled';
import { checkWish, FIRST_WISH, quoteOf, rentOf, type Wish } from './wish.rules';
import { WishForm } from './wish-form';

const QUOTE_EVERY_MS = 30_000;

/** Left what you get, right what it costs; the table behind stays. */
export function RentSheet({ offer, onClose }: { offer: Offer; onClose: () => void }) {
  const { signedIn } = useFrame();
  const place = offer.geolocation ? ` in ${offer.geolocation}` : '';
  const note = `${offer.num_gpus > 0 ? `${gib(offer.gpu_ram_mb)} VRAM each · ` : ''}${offer.cpu_cores} vCPU · ${gib(offer.cpu_ram_mb)} · up to ${gb(offer.disk_space)} · ${offer.node_name}${place} · reliability ${percent(offer.reliability)}`;
  return (
    <Sheet open onClose={onClose} title={`Rent ${nameOf(offer)}`} note={note}>
      {signedIn ? <Renting offer={offer} /> : <SignInFirst offer={offer} />}
    </Sheet>
  );
}

function SignInFirst({ offer }: { offer: Offer }) {
  return (
    <Empty title={`${rate(offer.dph_total)} with ${gb(offer.default_disk_gb)} of disk`} action={<><Button asChild look="primary"><Link href="/sign-up">Create an account</Link></Button><Button asChild><Link href="/sign-in">Sign in</Link></Button></>}>
      Before anything is charged you see every part of the price and the most it can cost. It is billed by the second, from the moment you can reach it.
    </Empty>
  );
}

function Renting({ offer }: { offer: Offer }) {
  const [wish, setWish] = useState<Wish>(FIRST_WISH);
  const [openedAt] = useState(() => Date.now());
  const errors = checkWish(wish);
  const settled = useSettled(wish, 250);
  const request = quoteOf(offer.id, Object.keys(checkWish(settled)).length > 0 ? FIRST_WISH : settled, openedAt);
  const quote = useApi('createQuote', request, { keep: true, every: QUOTE_EVERY_MS });
  const rent = useRent();
  const isCurrent = quote.data !== undefined && !quote.isPlaceholderData && settled === wish && Object.keys(errors).length === 0;
  if (quote.error && !quote.data) return <Trouble className="m-5" error={quote.error} what="There is no price for this now" money="Nothing was rented and no money moved." onRetry={() => void quote.refetch()} />;
  const start = (): void => quote.data && rent.start(rentOf(request, wish, quote.data.dph_total));
  return (
    <div className="grid gap-x-6 gap-y-6 p-5 md:grid-cols-[minmax(0,1fr)_320px]">
      <WishForm wish={wish} errors={errors} offer={offer} quote={quote.data} onChange={setWish} />
      <aside className="flex flex-col gap-4">
        <CostSide quote={quote.data} isStale={!isCurrent} />
        {quote.error && quote.data && <Trouble error={quote.error} what="The price could not be asked again" />}
        {rent.error !== null && <Refusal error={rent.error} onAgain={() => void quote.refetch()} />}
        <Button look="primary" size="large" busy={rent.isPending} disabled={!isCurrent} onClick={start}>{quote.data ? `Rent for ${rate(quote.data.dph_total)}` : 'Rent'}</Button>
        <p className="text-12 text-dim">Billing starts when the market has reached the machine through its public port, and stops to the second when you destroy it.</p>
      </aside>
    </div>
  );
}

/** One wish is rented once, however often it is sent: its key stays until the wish changes. */
function useRent() {
  const router = useRouter();
  const sent = useRef({ text: '', key: '' });
  const action = useAction('createRental', (rental, queries) => {
    askAnew(queries, 'listRentals', 'getBalance', 'searchOffers');
    router.push(`/rentals/${rental.id}`);
  });
  const start = (request: ReturnType<typeof rentOf>): void => {
    const text = JSON.stringify(request);
    if (sent.current.text !== text || action.error instanceof RefusedError) sent.current = { text, key: crypto.randomUUID() };
    action.mutate({ ...request, idempotencyKey: sent.current.key });
  };
  return { start, error: action.error, isPending: action.isPending };
}

function Refusal({ error, onAgain }: { error: Error; onAgain: () => void }) {
  const problem = error instanceof RefusedError ? error.problem : undefined;
  const rate = problem?.facts?.['dph_total'];
  return (
    <div className="flex flex-col gap-2">
      <Trouble error={error} what="It was not rented" money={rate ? `It is ${usd(rate)}/h now. No money moved.` : 'No money moved.'} />
      {problem?.code === 'price_changed' && <Button onClick={onAgain}>Ask for the price again</Button>}
      {problem?.code === 'ssh_key_required' && <Button asChild><Link href="/keys#ssh">Add an SSH key</Link></Button>}
    </div>
  );
}
