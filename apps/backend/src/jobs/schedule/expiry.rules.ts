import { EXECUTION_LEASE_S, HTTP_WORKER_LEASE_S } from '@muster/shared-types';
import type { ExecutionBeat } from './beats.js';

/** An execution whose lease is over unless its node was heard. */
export interface Due {
  id: string;
  attempt: number;
  nodeId: string;
  http: boolean;
  startedAt: Date;
  timeoutS: number;
}

/** However loudly a node says that it still works: a run is over this long after its timeout. Pulling the image is in it. */
export const CEILING_S = 15 * 60;

export type Verdict = { keep: true; until: Date } | { keep: false; reason: string };

/** Whether a lease goes on, and until when: a heartbeat that names the execution is good for one lease. */
export function leaseAfter(due: Due, beat: ExecutionBeat | undefined, now: Date): Verdict {
  const ceiling = due.startedAt.getTime() + (due.timeoutS + CEILING_S) * 1_000;
  if (now.getTime() >= ceiling) return { keep: false, reason: `Not reported ${CEILING_S / 60} minutes after its timeout` };
  const leaseS = due.http ? HTTP_WORKER_LEASE_S : EXECUTION_LEASE_S;
  const named = beat !== undefined && (beat.named === null || beat.named.has(`${due.id} ${due.attempt}`));
  const until = named ? Math.min(beat.at.getTime() + leaseS * 1_000, ceiling) : 0;
  if (until > now.getTime()) return { keep: true, until: new Date(until) };
  return { keep: false, reason: `Its node did not name it in a heartbeat for ${leaseS} s` };
}
