import { SECONDS_PER_HOUR, STORAGE_RESERVE_H, type MicroUsd } from '@muster/shared-types';
import { secondsWithin } from './pricing.rules.js';
import { secondAfter, secondsOutside, type Stretch } from './whole-seconds.rules.js';

/**
 * A rental as a line over time. It costs one rate at a time, the whole or that of its disk; its cost at second t is
 * `⌊(rate × (billedSeconds + covered(t)) + otherRateMicroSeconds) / 3600⌋ − settledMicro`.
 */
export interface RunningLine {
  rentalId: string;
  /** What an hour costs now. */
  rateMicroHour: MicroUsd;
  /** Everything before this second is settled. */
  billedThroughS: number;
  /** Seconds billed at this rate so far. */
  billedSeconds: number;
  /** Rate × seconds of what was billed at its other rate; none for a rental that was never stopped. */
  otherRateMicroSeconds?: bigint;
  settledMicro: MicroUsd;
  /** Unbilled stretches, known ones only; those before `billedThroughS` do not matter. */
  gaps: readonly Stretch[];
  runUntilS: number | null;
  maxSpendMicro: MicroUsd | null;
  /** What an hour of its disk costs, where that is kept when the balance is used up. */
  diskMicroHour?: MicroUsd;
  /** Its rate of now is that of its disk: it is stopped already. */
  stored?: boolean;
}

export type DeadlineBy = 'run_until' | 'spend_limit' | 'balance';
export interface Deadline {
  atS: number;
  by: DeadlineBy;
}

/** Ends later than this many seconds ahead are no ends: nobody's balance lasts a century. */
export const HORIZON_S = 100 * 365 * 86_400;

/** Seconds of a line that are billable in `[start, atS)`, settled ones included. */
export function billableSeconds(line: RunningLine, atS: number): number {
  return line.billedSeconds + secondsOutside(line.billedThroughS, Math.max(atS, line.billedThroughS), line.gaps);
}

/** What a line has used since it was last settled, at second `atS`. */
export function accrued(line: RunningLine, atS: number): MicroUsd {
  return costWith(line, billableSeconds(line, atS)) - line.settledMicro;
}

/** What a line has cost in all once so many seconds are billed at its present rate. Rounded down over both rates together. */
export const costWith = (line: Pick<RunningLine, 'rateMicroHour' | 'otherRateMicroSeconds'>, seconds: number): MicroUsd =>
  (line.rateMicroHour * BigInt(seconds) + (line.otherRateMicroSeconds ?? 0n)) / SECONDS_PER_HOUR;

/** When the rental ends by what its renter asked for; null when he set no limit that can be reached. */
export function ownDeadline(line: RunningLine): Deadline | null {
  const spendS = spendLimitAt(line);
  if (line.runUntilS !== null && (spendS === null || line.runUntilS <= spendS)) {
    return { atS: Math.max(line.runUntilS, line.billedThroughS), by: 'run_until' };
  }
  return spendS === null ? null : { atS: spendS, by: 'spend_limit' };
}

function spendLimitAt(line: RunningLine): number | null {
  if (line.maxSpendMicro === null) return null;
  const total = secondsWithin(line.rateMicroHour, line.maxSpendMicro, line.otherRateMicroSeconds);
  if (total === null) return null;
  return secondAfter(line.billedThroughS, Math.max(0, total - line.billedSeconds), line.gaps);
}

/**
 * The last second up to which the balance pays for all lines together: greatest T with Σ accrued(T) ≤ prepaid,
 * each line resting at its own end. Null when that is never passed (within the horizon).
 * The sum is a step function that never falls, so a binary search over whole seconds is exact.
 */
export function zeroAt(prepaidMicro: MicroUsd, lines: readonly RunningLine[]): number | null {
  if (lines.length === 0) return null;
  const ends = lines.map((line) => ownDeadline(line)?.atS ?? Infinity);
  const used = (atS: number): MicroUsd =>
    lines.reduce((sum, line, index) => sum + accrued(line, Math.min(atS, ends[index] ?? Infinity)), 0n);
  const first = Math.min(...lines.map((line) => line.billedThroughS));
  const last = Math.max(...lines.map((line) => line.billedThroughS)) + HORIZON_S;
  if (used(last) <= prepaidMicro) return null;
  return greatest(first, last, (atS) => used(atS) <= prepaidMicro);
}

/** The greatest whole number in `[low, high)` for which `holds`; it holds up to some point and never again. `low` when nowhere. */
function greatest(low: number, high: number, holds: (n: number) => boolean): number {
  let yes = low;
  let no = high;
  while (no - yes > 1) {
    const middle = yes + Math.floor((no - yes) / 2);
    if (holds(middle)) yes = middle;
    else no = middle;
  }
  return yes;
}

export interface Deadlines {
  /** When the balance is used up but for what keeps the disks of all; where nothing runs, when that is used up too. Null: never. */
  zeroAtS: number | null;
  /** Null: nothing ends this rental but its renter. By `balance` what runs is stopped, and what is stopped loses its disk. */
  byRental: ReadonlyMap<string, Deadline | null>;
}

/** What must be left of a balance so that these disks, in $ per hour together, are kept for a while when it is used up. */
export const storageReserve = (diskMicroHour: MicroUsd): MicroUsd => diskMicroHour * BigInt(STORAGE_RESERVE_H);

/** When each of a renter's rentals ends, or stops: the first of its own limits and the moment his balance is used up. */
export function deadlinesOf(prepaidMicro: MicroUsd, lines: readonly RunningLine[]): Deadlines {
  const reserveMicro = storageReserve(lines.reduce((sum, line) => sum + (line.diskMicroHour ?? 0n), 0n));
  const runs = lines.some((line) => !line.stored);
  const stopS = runs ? zeroAt(prepaidMicro - reserveMicro, lines) : null;
  const emptyS = lines.some((line) => line.stored) ? emptyAt(prepaidMicro, lines, stopS) : null;
  const byRental = new Map(lines.map((line) => [line.rentalId, earlier(ownDeadline(line), line.stored ? emptyS : stopS)]));
  return { zeroAtS: runs ? stopS : emptyS, byRental };
}

/** The last second up to which the balance keeps the disks that are stopped, and from `stopS` on also those of what is stopped then. */
function emptyAt(prepaidMicro: MicroUsd, lines: readonly RunningLine[], stopS: number | null): number | null {
  const stopped = stopS === null ? lines : lines.map((line) => stoppedAt(line, stopS));
  return zeroAt(prepaidMicro, stopped);
}

/** A line as it stands once it has been stopped at that second; one that has ended by its own limit before costs nothing more. */
function stoppedAt(line: RunningLine, stopS: number): RunningLine {
  const own = ownDeadline(line)?.atS ?? Infinity;
  if (line.stored || own <= stopS) return line;
  const ran = line.rateMicroHour * BigInt(billableSeconds(line, stopS)) + (line.otherRateMicroSeconds ?? 0n);
  return { ...line, stored: true, rateMicroHour: line.diskMicroHour ?? 0n, billedThroughS: Math.max(stopS, line.billedThroughS), billedSeconds: 0, otherRateMicroSeconds: ran };
}

function earlier(own: Deadline | null, zeroAtS: number | null): Deadline | null {
  if (zeroAtS === null || (own !== null && own.atS <= zeroAtS)) return own;
  return { atS: zeroAtS, by: 'balance' };
}
