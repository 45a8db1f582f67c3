import { formatUsd, parseUsd } from '@muster/shared-types';

const SOON_S = 5 * 3600;
const NOW_S = 3600;

/** How near the balance is to zero: under 5 h attention, under 1 h alarm. */
export function urgencyOf(leftS: number | undefined): 'calm' | 'soon' | 'now' {
  if (leftS === undefined || leftS >= SOON_S) return 'calm';
  return leftS >= NOW_S ? 'soon' : 'now';
}

/** What `hours` at a rate cost, cut to the micro-dollar. Both in wire form. */
export function costOf(dph: string, hours: number): string {
  return formatUsd((parseUsd(dph) * BigInt(Math.round(hours * 3600))) / 3600n);
}

/** Settled plus what has been used since, until the next answer of the market says it exactly. */
export function runningCost(costUsd: string, dph: string, sinceMs: number): string {
  return formatUsd(parseUsd(costUsd) + (parseUsd(dph) * BigInt(Math.max(0, Math.floor(sinceMs / 1000)))) / 3600n);
}

export const isZero = (amount: string): boolean => parseUsd(amount) === 0n;
