import type { MicroUsd } from '@muster/shared-types';
import { costOf } from '../ledger/pricing.rules.js';

export interface ExecutionTiming {
  /** Micro-dollars per hour: the node's own price at the moment of the lease. */
  rateMicroHour: MicroUsd;
  /** What the node says it took. */
  durationMs: number;
  /** What the market saw between the lease and the report; a node cannot say more than that. */
  seenMs: number;
  timeoutS: number;
}

/** Pay of a valid execution: whole seconds begun, at least one, at most the timeout. Within the hold, since its rate is within the cap. */
export function executionPay(timing: ExecutionTiming): MicroUsd {
  const seconds = Math.ceil(Math.max(0, Math.min(timing.durationMs, timing.seenMs)) / 1_000);
  return costOf(timing.rateMicroHour, Math.min(Math.max(1, seconds), timing.timeoutS));
}

/** The most that one copy can cost at this rate. Rounded up, so that any number of copies fits into their holds. */
export function holdPerCopy(rateMicroHour: MicroUsd, timeoutS: number): MicroUsd {
  return (rateMicroHour * BigInt(timeoutS) + 3_599n) / 3_600n;
}

export interface PriceQuestion {
  /** With the aggregating one, if there is any. */
  tasks: number;
  maxCopies: number;
  consensus: number;
  timeoutS: number;
  /** Cheapest rate of each owner or node that fits, cheapest first. */
  rates: readonly MicroUsd[];
  /** What a copy costs where nothing fits yet: the market's default prices. */
  defaultRate: MicroUsd;
  maxPriceMicro: MicroUsd | null;
}

/** What is set aside, and the dearest node that it covers. */
export interface Price {
  holdMicro: MicroUsd;
  rateCapMicroHour: MicroUsd;
}

/** The limit is below what the nodes that fit ask. */
export interface TooLow {
  neededMicro: MicroUsd;
}

/**
 * The upper bound: tasks × max_copies × rate × timeout. Without a limit the rate is that of the dearest of the cheapest
 * `max_copies` who fit. A limit is held whole and decides the rate; it must reach enough of those who fit for agreement.
 */
export function priceJob(question: PriceQuestion): Price | TooLow {
  const { rates, consensus, maxCopies, timeoutS, maxPriceMicro } = question;
  const copies = BigInt(question.tasks) * BigInt(maxCopies);
  if (maxPriceMicro === null) {
    const rate = rates[Math.min(maxCopies, rates.length) - 1] ?? question.defaultRate;
    return { rateCapMicroHour: rate, holdMicro: copies * holdPerCopy(rate, timeoutS) };
  }
  const rateCapMicroHour = (maxPriceMicro * 3_600n) / (copies * BigInt(timeoutS));
  const least = rates[Math.min(consensus, rates.length) - 1] ?? 0n;
  if (rateCapMicroHour < least || (rateCapMicroHour === 0n && least === 0n && rates.length === 0)) {
    const wanted = least > 0n ? least : 1n;
    return { neededMicro: (wanted * copies * BigInt(timeoutS) + 3_599n) / 3_600n };
  }
  return { rateCapMicroHour, holdMicro: maxPriceMicro };
}

export const isTooLow = (price: Price | TooLow): price is TooLow => 'neededMicro' in price;

/** Micro-dollars as credits (1,000 of them), rounded up. */
export const creditsRequired = (micro: MicroUsd): bigint => (micro + 999n) / 1_000n;
