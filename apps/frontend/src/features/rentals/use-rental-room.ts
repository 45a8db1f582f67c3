'use client';
import { useQueryClient } from '@tanstack/react-query';
import type { RentalView } from '@muster/shared-types';
import { askAnew } from '@/lib/api';
import { useRoom } from '@/lib/live';
import { queryKey } from '@/lib/query-key';

/** What happens to this rental, at once: a change is asked for, progress is put in as it comes. */
export function useRentalRoom(id: string, enabled: boolean): void {
  const queries = useQueryClient();
  const key = queryKey('getRental', { params: { rental_id: id } });
  useRoom(
    `rental:${id}` as const,
    {
      onFrame: (frame) => {
        if (frame.event === 'rental_changed') askAnew(queries, 'getRental', 'listRentalEvents', 'listStatement');
        if (frame.event === 'rental_progress') queries.setQueryData<RentalView>(key, (known) => known && { ...known, progress: frame.data.progress });
      },
      onResync: () => askAnew(queries, 'getRental', 'listRentalEvents'),
    },
    enabled,
  );
}
