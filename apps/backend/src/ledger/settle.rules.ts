import type { MicroUsd } from '@muster/shared-types';
import { accrued, billableSeconds, costWith, type RunningLine } from './zero-at.rules.js';
import { secondsOutside } from './whole-seconds.rules.js';

/** One settled stretch of a rental. */
export interface Charge {
  fromS: number;
  toS: number;
  seconds: number;
  amountMicro: MicroUsd;
}

/**
 * What settling a line through `throughS` charges; null when nothing is left to settle up to there.
 * `settle.ts` does the same in SQL for many rentals at once; this is the form to read, and its tests hold both together.
 */
export function chargeThrough(line: RunningLine, throughS: number): Charge | null {
  if (throughS <= line.billedThroughS) return null;
  return {
    fromS: line.billedThroughS,
    toS: throughS,
    seconds: secondsOutside(line.billedThroughS, throughS, line.gaps),
    amountMicro: accrued(line, throughS),
  };
}

/** The line after that charge. */
export function settled(line: RunningLine, charge: Charge): RunningLine {
  const billedSeconds = billableSeconds(line, charge.toS);
  return { ...line, billedThroughS: charge.toS, billedSeconds, settledMicro: costWith(line, billedSeconds) };
}
