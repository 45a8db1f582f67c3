'use client';
import { useRef, useState } from 'react';
import type { RentalView } from '@muster/shared-types';
import { Button } from '@/components/ui/button';
import { Trouble } from '@/components/ui/notice';
import { Ask } from '@/components/ui/sheet';
import { askAnew, useAction } from '@/lib/api';
import { queryKey } from '@/lib/query-key';
import { rate, shortId } from '@/lib/format.rules';

/** Stop keeps the disk and frees the rest; start goes on with it on the same machine. */
export function StopStart({ rental }: { rental: RentalView }) {
  if (rental.actions.includes('stop')) return <Stop rental={rental} />;
  return rental.actions.includes('start') ? <Start rental={rental} /> : null;
}

const REFRESHED = ['listRentals', 'getBalance', 'listRentalEvents', 'searchOffers'] as const;

function Stop({ rental }: { rental: RentalView }) {
  const [asking, setAsking] = useState(false);
  const params = { rental_id: rental.id };
  const stop = useAction('stopRental', (answer, queries) => {
    queries.setQueryData(queryKey('getRental', { params }), answer);
    askAnew(queries, ...REFRESHED);
    setAsking(false);
  });
  return (
    <>
      <Button onClick={() => setAsking(true)}>Stop</Button>
      {asking && (
        <Ask open onClose={() => setAsking(false)} title={`Stop ${shortId('rental', rental.id)}`} note={`From ${rate(rental.billing.dph_total)} to ${rate(rental.billing.stopped_dph)}, for its disk.`}>
          <div className="flex flex-col gap-4 p-5 text-14">
            <ul className="list-disc space-y-1 pl-5 text-dim">
              <li>Kept: everything in <code className="num">/workspace</code>, its name and its ports.</li>
              <li>Lost: programs that run, and files elsewhere in it.</li>
              <li>Its {rental.num_gpus > 0 ? 'GPUs, ' : ''}CPU and RAM are free for others. It can start again on this machine when they are free then.</li>
            </ul>
            {stop.error !== null && <Trouble error={stop.error} what="It was not stopped" money="It goes on, and so does its billing." />}
            <div className="flex justify-end gap-2"><Button onClick={() => setAsking(false)}>Keep it running</Button><Button look="primary" busy={stop.isPending} onClick={() => stop.mutate({ params })}>Stop it</Button></div>
          </div>
        </Ask>
      )}
    </>
  );
}

function Start({ rental }: { rental: RentalView }) {
  const key = useRef<string>(undefined);
  const params = { rental_id: rental.id };
  const [refused, setRefused] = useState(false);
  const start = useAction('startRental', (answer, queries) => {
    key.current = undefined;
    queries.setQueryData(queryKey('getRental', { params }), answer);
    askAnew(queries, ...REFRESHED);
  });
  const run = (): void => {
    key.current ??= crypto.randomUUID();
    start.mutate({ params, idempotencyKey: key.current }, { onError: () => { key.current = undefined; setRefused(true); } });
  };
  return (
    <>
      <Button look="primary" busy={start.isPending} onClick={run}>Start for {rate(rental.billing.dph_total)}</Button>
      {refused && start.error !== null && <Ask open onClose={() => setRefused(false)} title="It was not started"><div className="p-5"><Trouble error={start.error} what="It stays stopped, and its disk stays" money={`Billing stays at ${rate(rental.billing.stopped_dph)}.`} /></div></Ask>}
    </>
  );
}
