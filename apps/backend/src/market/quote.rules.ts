import { STORAGE_RESERVE_H, type MicroUsd } from '@muster/shared-types';
import { dateOfSecond, floorSecond } from '../ledger/whole-seconds.rules.js';
import { deadlinesOf, HORIZON_S, ownDeadline, type DeadlineBy, type RunningLine } from '../ledger/zero-at.rules.js';

export interface EndForecast {
  endsAt: Date;
  endsBy: DeadlineBy;
}

export interface ForecastInput {
  now: Date;
  prepaidMicro: MicroUsd;
  /** The renter's rentals that run now. */
  running: readonly RunningLine[];
  rateMicroHour: MicroUsd;
  /** The part of it that is its disk. */
  diskMicroHour?: MicroUsd;
  runUntil: Date | null;
  maxSpendMicro: MicroUsd | null;
}

const NEW = 'new';

/** When the new rental would end if nobody ends it, were it running from now on beside the others. */
export function forecastEnd(input: ForecastInput): EndForecast {
  const nowS = floorSecond(input.now);
  const fresh: RunningLine = {
    rentalId: NEW,
    rateMicroHour: input.rateMicroHour,
    billedThroughS: nowS,
    billedSeconds: 0,
    settledMicro: 0n,
    gaps: [],
    runUntilS: input.runUntil && floorSecond(input.runUntil),
    maxSpendMicro: input.maxSpendMicro,
    diskMicroHour: input.diskMicroHour ?? 0n,
  };
  const end = deadlinesOf(input.prepaidMicro, [...input.running, fresh]).byRental.get(NEW) ?? ownDeadline(fresh);
  if (!end) return { endsAt: dateOfSecond(nowS + HORIZON_S), endsBy: 'balance' };
  return { endsAt: dateOfSecond(Math.max(end.atS, nowS)), endsBy: end.by };
}

/** "You cannot be charged more than this": the whole balance, or less when a spend limit says so. */
export function maxCharge(availableMicro: MicroUsd, maxSpendMicro: MicroUsd | null): MicroUsd {
  const most = availableMicro > 0n ? availableMicro : 0n;
  return maxSpendMicro !== null && maxSpendMicro < most ? maxSpendMicro : most;
}

/** Seconds to a shell when nothing is known: with the image on the machine, and with a download before it. */
const FIRST_START_S = { present: 3, absent: 90 };

/** How soon it would run: the median of what earlier starts of this kind took there. */
export function etaSeconds(imagePresent: boolean, earlierTotalsMs: readonly number[]): number {
  if (earlierTotalsMs.length === 0) return imagePresent ? FIRST_START_S.present : FIRST_START_S.absent;
  const sorted = [...earlierTotalsMs].sort((a, b) => a - b);
  const median = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return Math.round(median / 100) / 10;
}

export interface WarningFacts {
  ownNode: boolean;
  isolation: 'basic' | 'full';
  endsBy: DeadlineBy;
}

/** What a renter should know and would not guess, in words. */
export function warningsFor(facts: WarningFacts): string[] {
  const warnings = ['A stop keeps /workspace, and nothing else. Every end deletes it: destroy, a limit, a program that ends. Copy results off in time.'];
  if (facts.endsBy === 'balance') warnings.push(`When the balance is used up it is stopped, and what is left keeps its disk for ${STORAGE_RESERVE_H} h. Set --max-spend or --hours to end it earlier.`);
  if (facts.isolation === 'basic') warnings.push('Isolation is basic: a hardened container on a runtime without the newest fixes. Do not run secrets of others here.');
  if (facts.ownNode) warnings.push('This is your own machine: the price moves from your balance to your earnings.');
  return warnings;
}
