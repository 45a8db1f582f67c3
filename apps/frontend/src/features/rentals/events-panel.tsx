'use client';
import { useEffect } from 'react';
import { Trouble, Waiting } from '@/components/ui/notice';
import { Panel } from '@/components/ui/panel';
import { When } from '@/components/ui/time';
import { useApi } from '@/lib/api';

/** What happened to it, newest first. */
export function EventsPanel({ rentalId, isLive, status }: { rentalId: string; isLive: boolean; status: string }) {
  const events = useApi('listRentalEvents', { params: { rental_id: rentalId }, query: { limit: 100 } }, { every: isLive ? 10_000 : false });
  const { refetch } = events;
  useEffect(() => void refetch(), [status, refetch]); // another state is another line
  return (
    <Panel title="Events" flush>
      {events.isPending && <Waiting rows={4} />}
      {events.error && !events.data && <Trouble className="m-4" error={events.error} what="The events could not be loaded" onRetry={() => void refetch()} />}
      <ul>
        {events.data?.items.map((event, index) => (
          <li key={`${event.at}-${index}`} className="flex gap-4 border-b border-line px-4 py-2 text-13 last:border-0">
            <When at={event.at} className="num shrink-0 text-12 leading-5 text-dim" />
            <span className="min-w-0">{event.message}</span>
          </li>
        ))}
      </ul>
    </Panel>
  );
}
