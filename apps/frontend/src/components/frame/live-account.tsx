'use client';
import { useQueryClient } from '@tanstack/react-query';
import { askAnew } from '@/lib/api';
import { useRoom } from '@/lib/live';
import { useFrame } from './providers';

/** What happens to anything of this account makes the pages that show it ask anew. */
export function LiveAccount() {
  const { signedIn } = useFrame();
  const queries = useQueryClient();
  useRoom(
    'user:me',
    {
      onFrame: ({ event }) => {
        if (event === 'rental_changed') askAnew(queries, 'listRentals', 'getRental', 'getBalance');
        if (event === 'job_changed') askAnew(queries, 'listJobs', 'getJob', 'listTasks', 'listExecutions', 'getJobResult', 'getBalance');
        if (event === 'node_changed') askAnew(queries, 'listNodes', 'getNode');
        if (event === 'notification') askAnew(queries, 'listNotifications');
        if (event === 'balance_changed') askAnew(queries, 'getBalance', 'listStatement');
      },
      onResync: () => void queries.invalidateQueries(),
    },
    signedIn,
  );
  return null;
}
