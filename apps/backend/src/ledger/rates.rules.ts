import type { MicroUsd } from '@muster/shared-types';
import type { RunningLine } from './zero-at.rules.js';

/** Both rates of a rental, what was billed at each, and which it costs now: `stored` = that of its disk alone. */
export interface BothRates {
  stored: boolean;
  rateMicroHour: MicroUsd;
  storageMicroHour: MicroUsd;
  billedSeconds: bigint;
  storedSeconds: bigint;
}

/** The rate of now, the seconds billed at it, and what was billed at the other one. */
export function ratesOf(both: BothRates): Pick<RunningLine, 'rateMicroHour' | 'billedSeconds' | 'otherRateMicroSeconds'> {
  const [whole, disk] = [both.rateMicroHour * both.billedSeconds, both.storageMicroHour * both.storedSeconds];
  return both.stored
    ? { rateMicroHour: both.storageMicroHour, billedSeconds: Number(both.storedSeconds), otherRateMicroSeconds: whole }
    : { rateMicroHour: both.rateMicroHour, billedSeconds: Number(both.billedSeconds), otherRateMicroSeconds: disk };
}
