import type { Reliability } from '@muster/shared-types';

export const RELIABILITY_WINDOW_DAYS = 30;
const WINDOW_MS = RELIABILITY_WINDOW_DAYS * 86_400_000;
const MINUTE_MS = 60_000;
/** Ten good minutes and ten good starts are lent to everybody, so that one bad minute does not ruin a newcomer. */
const LENT = 10;

export interface ReliabilityFacts {
  registeredAt: Date;
  /** Milliseconds of the window in which the node was down, not counting what the market itself caused. */
  downMs: number;
  startsOk: number;
  startsFailed: number;
}

/** `(minutes − down + 10) / (minutes + 10) × (ok + 10) / (starts + 10)`, shown with its parts. */
export function reliability(facts: ReliabilityFacts, now: Date): Reliability {
  const minutes = knownMs(facts.registeredAt, now) / MINUTE_MS;
  const down = Math.min(facts.downMs / MINUTE_MS, minutes);
  const starts = facts.startsOk + facts.startsFailed;
  const uptime = (minutes - down + LENT) / (minutes + LENT);
  const success = (facts.startsOk + LENT) / (starts + LENT);
  return {
    reliability: round6(uptime * success),
    window_days: RELIABILITY_WINDOW_DAYS,
    minutes: round6(minutes),
    down_minutes: round6(down),
    starts_ok: facts.startsOk,
    starts_failed: facts.startsFailed,
  };
}

/** Since when a node's minutes count. */
export const windowStart = (now: Date): Date => new Date(now.getTime() - WINDOW_MS);

function knownMs(registeredAt: Date, now: Date): number {
  return Math.max(0, now.getTime() - Math.max(registeredAt.getTime(), now.getTime() - WINDOW_MS));
}

const round6 = (value: number): number => Math.round(value * 1e6) / 1e6;
