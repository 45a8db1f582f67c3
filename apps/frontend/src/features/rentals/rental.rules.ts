import type { RentalView } from '@muster/shared-types';
import { gib, words } from '@/lib/format.rules';

const OVER: readonly RentalView['status'][] = ['ended', 'failed', 'lost'];
export const isOver = ({ status }: Pick<RentalView, 'status'>): boolean => OVER.includes(status);

export const whatOf = (rental: Pick<RentalView, 'num_gpus' | 'gpu_name' | 'cpu_cores' | 'ram_mb'>): string =>
  rental.num_gpus > 0 ? `${rental.num_gpus} × ${rental.gpu_name ?? 'GPU'}` : `${rental.cpu_cores} vCPU, ${gib(rental.ram_mb)}`;

export const PHASES = ['queued', 'pulling', 'creating', 'tunnelling', 'probing'] as const;
export type Phase = (typeof PHASES)[number];

export const PHASE_WORDS: Record<Phase, string> = {
  queued: 'taken by the machine',
  pulling: 'image pulled',
  creating: 'container created',
  tunnelling: 'tunnel opened',
  probing: 'reached from outside',
};

export interface PhaseLine {
  phase: Phase;
  state: 'done' | 'now' | 'next' | 'stopped';
  /** Milliseconds; of the phase that goes on, only those of phases before it are known. */
  ms: number | undefined;
}

/** The way to `running` as one line. `phase_ms` has what is finished. */
export function phaseLines(rental: Pick<RentalView, 'status' | 'phase' | 'phase_ms'>): PhaseLine[] {
  const at = rental.phase === null ? -1 : PHASES.indexOf(rental.phase);
  const isUp = rental.phase_ms['total'] !== undefined;
  const isMoving = rental.status === 'pending' || rental.status === 'starting';
  return PHASES.map((phase, index) => {
    const ms = rental.phase_ms[phase];
    if (isUp || (ms !== undefined && index < at)) return { phase, state: 'done', ms };
    const isNow = index === Math.max(0, at);
    if (isMoving) return { phase, state: isNow ? 'now' : index < at ? 'done' : 'next', ms };
    return { phase, state: isNow ? 'stopped' : index < at ? 'done' : 'next', ms };
  });
}

/** Milliseconds of finished phases: the clock of the present one starts behind them. */
export const finishedMs = (lines: readonly PhaseLine[]): number => lines.reduce((sum, { state, ms }) => sum + (state === 'done' ? (ms ?? 0) : 0), 0);

const END_WORDS: Readonly<Record<string, string>> = {
  destroyed: 'you destroyed it',
  balance_exhausted: 'the balance was used up',
  run_until: 'the end you set was reached',
  spend_limit: 'your spending limit was reached',
  account_suspended: 'an operator of the market suspended the account',
  host_retired: 'the host took the machine off the market',
  host_shutdown: 'the machine was shut down by its host',
  host_fault: 'the machine had a fault',
  host_lost: 'the machine was silent for an hour',
  instance_exited: 'the container ended by itself',
  disk_overrun: 'the disk was overrun',
  disk_lost: 'the disk that was kept is gone',
  start_failed: 'it could not be started',
};

/** Why it is over, in words; a reason that this page does not know yet is told as it is named. */
export const endWords = (reason: NonNullable<RentalView['end_reason']>): string => END_WORDS[reason] ?? words(reason);

/** How often to ask while nothing tells us. */
export function askEveryMs(rental: Pick<RentalView, 'status'> | undefined, isLive = false): number | false {
  if (!rental) return 5_000;
  if (isOver(rental)) return false;
  if (rental.status === 'running' || rental.status === 'stopped') return isLive ? 15_000 : 5_000;
  return isLive ? 3_000 : 1_000;
}
