import { type MicroUsd } from '@muster/shared-types';
import { costOf } from '../ledger/pricing.rules.js';

/** What one copy occupies, in the units it is priced in. */
export interface ExecutionTiming {
  /** Micro-dollars per hour: the node's own price at the moment of the lease. */
  rateMicroHour: MicroUsd;
  /** What the node says it took. */
  durationMs: number;
  /** What the market saw between the lease and the report; a node cannot say more than that. */
  seenMs: number;
  timeoutS: number;
}

/** Pay of a valid execution: whole seconds begun, at least one, at most the timeout; never more than `holdPerCopy` of its rate. */
export function executionPay(timing: ExecutionTiming): MicroUsd {
  const seconds = Math.ceil(Math.max(0, Math.min(timing.durationMs, timing.seenMs)) / 1_000);
  return costOf(timing.rateMicroHour, Math.min(Math.max(1, seconds), timing.timeoutS));
}

/** The most that one copy can cost at this rate. Rounded up, so that any number of copies fits into their holds. */
export function holdPerCopy(rateMicroHour: MicroUsd, timeoutS: number): MicroUsd {
  return (rateMicroHour * BigInt(timeoutS) + 3_599n) / 3_600n;
}
