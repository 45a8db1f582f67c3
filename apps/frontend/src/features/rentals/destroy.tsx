'use client';
import type { RentalView } from '@muster/shared-types';
import { Button } from '@/components/ui/button';
import { Trouble } from '@/components/ui/notice';
import { Ask } from '@/components/ui/sheet';
import { askAnew, useAction } from '@/lib/api';
import { queryKey } from '@/lib/query-key';
import { rate, shortId } from '@/lib/format.rules';
import { LiveCost } from './live-cost';

/** Says what goes and what it saves before it is done. */
export function Destroy({ rental, onClose }: { rental: RentalView; onClose: () => void }) {
  const destroy = useAction('destroyRental', (answer, queries) => {
    queries.setQueryData(queryKey('getRental', { params: { rental_id: rental.id } }), answer);
    askAnew(queries, 'listRentals', 'getBalance', 'listRentalEvents');
    onClose();
  });
  return (
    <Ask open onClose={onClose} title={`Destroy ${shortId('rental', rental.id)}`} note="It ends for good.">
      <div className="flex flex-col gap-4 p-5 text-14">
        <ul className="list-disc space-y-1 pl-5 text-dim">
          <li>Its disk is deleted: everything in <code className="num">/workspace</code> and elsewhere in it. Copy out first what you need.</li>
          <li>Billing stops with this second. It has cost <LiveCost rental={rental} />; from now on you save {rate(rental.billing.dph_total)}.</li>
          <li>The statement keeps its receipt.</li>
        </ul>
        {destroy.error !== null && <Trouble error={destroy.error} what="It was not destroyed" money="It goes on, and so does its billing." />}
        <div className="flex justify-end gap-2">
          <Button onClick={onClose}>Keep it</Button>
          <Button look="danger" busy={destroy.isPending} onClick={() => destroy.mutate({ params: { rental_id: rental.id } })}>Destroy it and its disk</Button>
        </div>
      </div>
    </Ask>
  );
}
