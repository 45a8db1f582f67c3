import type { RentalAction, RentalPhase, RentalStatus } from '@muster/shared-types';

/**
 *   pending ──taken──▶ starting ──reached──▶ running ──stop, end──▶ stopping ──gone──▶ ended
 *      │                  ▲ │ (queued → pulling → creating            ▲ │ │  │
 *      │                  │ │  → tunnelling → probing)                │ │ │  └─given_up (the node is silent)─▶ ended
 *      │                  │ │                                         │ │ └─parked─▶ stopped
 *      ├──────end─────────┼─┴──end, stop (again, and it failed)───────┘ │              │ │
 *      │                  └───────────────────start─────────────────────┼──────────────┘ │
 *      │                                                                └──────end───────┘
 *      └─────fail─────────▶ failed (the first start only)        running ──lose──▶ lost
 *
 * `stop` keeps the disk, `end` does not. `failed` never ran and costs nothing. Ended, failed and lost are final for the
 * renter. What a rental holds of its machine is freed by other facts alone: the node reported the container gone and the
 * disk kept (`parkedAt`: GPUs, CPU, RAM), or nothing left at all (`releasedAt`).
 */
export type RentalEvent = 'taken' | 'progressed' | 'reached' | 'stop' | 'start' | 'parked' | 'end' | 'fail' | 'gone' | 'given_up' | 'lose';

export const transitions: Record<RentalStatus, Partial<Record<RentalEvent, RentalStatus>>> = {
  pending: { taken: 'starting', fail: 'failed', end: 'stopping' },
  starting: { taken: 'starting', progressed: 'starting', reached: 'running', fail: 'failed', stop: 'stopping', end: 'stopping' },
  running: { stop: 'stopping', end: 'stopping', lose: 'lost' },
  stopping: { gone: 'ended', given_up: 'ended', parked: 'stopped', end: 'stopping' },
  stopped: { start: 'starting', end: 'stopping' },
  ended: {},
  failed: {},
  lost: {},
};

/** The state after an event; null when it is not legal in this state. */
export const nextStatus = (status: RentalStatus, event: RentalEvent): RentalStatus | null => transitions[status][event] ?? null;

/** States in which an event is legal: for `WHERE status IN (…)`. */
export function statusesFor(event: RentalEvent): RentalStatus[] {
  return (Object.keys(transitions) as RentalStatus[]).filter((status) => transitions[status][event] !== undefined);
}

export const TERMINAL: readonly RentalStatus[] = ['ended', 'failed', 'lost'];
export const LIVE: readonly RentalStatus[] = ['pending', 'starting', 'running', 'stopping', 'stopped'];
export const isTerminal = (status: RentalStatus): boolean => TERMINAL.includes(status);

/** States in which the node should have the instance. In all others it should not. */
export const WANTED: readonly RentalStatus[] = ['pending', 'starting', 'running'];

/** What the renter may do now. */
export function actionsOf(status: RentalStatus, ssh: boolean): RentalAction[] {
  switch (status) {
    case 'pending':
      return ['destroy'];
    case 'stopped':
      return ['start', 'destroy'];
    case 'starting':
    case 'stopping':
      return ['destroy', 'logs'];
    case 'running':
      return ssh ? ['stop', 'destroy', 'ssh', 'logs'] : ['stop', 'destroy', 'logs'];
    case 'ended':
    case 'failed':
    case 'lost':
      return [];
  }
}

const PHASES: readonly RentalPhase[] = ['queued', 'pulling', 'creating', 'tunnelling', 'probing'];

/** A report that arrives late never takes a start back to an earlier phase. */
export const isLaterPhase = (present: string | null, next: RentalPhase): boolean =>
  PHASES.indexOf(next) > PHASES.indexOf((present ?? '') as RentalPhase);

/** How long a start may stay in one phase before it counts as failed, in seconds. Pulls report progress, which renews theirs. */
export const PHASE_LIMIT_S: Record<RentalPhase, number> = { queued: 60, pulling: 1_800, creating: 180, tunnelling: 120, probing: 60 };

/** Words for a start that took too long, by the phase it hung in. */
export const PHASE_TIMEOUT_WORDS: Record<RentalPhase, string> = {
  queued: 'The host did not answer in time. Nothing was charged; try another offer.',
  pulling: 'The host did not finish downloading the image in time. Nothing was charged.',
  creating: 'The host did not create the container in time. Nothing was charged.',
  tunnelling: 'The tunnel to the instance did not open in time. Nothing was charged.',
  probing: 'The instance started, but did not answer on its public port in time. Nothing was charged.',
};

/** What a renter reads when a phase begins. */
export const PHASE_WORDS: Record<RentalPhase, string> = {
  queued: 'The host has taken it.',
  pulling: 'The host downloads the image.',
  creating: 'The host creates the container.',
  tunnelling: 'The tunnel opens.',
  probing: 'The container runs; the market tries to reach it from outside.',
};
