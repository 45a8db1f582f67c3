import { TELEMETRY_TIERS, type TelemetryTier } from '@muster/shared-types';

/** Every step divides the longer ones' day, so a step never spans two tables of a store. */
const STEPS_S = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 21_600, 43_200, 86_400];
const USUAL_POINTS = 240;
const MOST_POINTS = 1_500;
/** A rolled-up tier is whole this long after a step has ended; younger steps are read from the finer one. */
const WHOLE_AFTER_S: Readonly<Record<TelemetryTier, number>> = { raw: 0, '1m': 120, '1h': 7_200 };

export interface Part {
  tier: TelemetryTier;
  fromS: number;
  toS: number;
}

export interface Resolution {
  fromS: number;
  toS: number;
  stepS: number;
  /** Side by side and in order; each step of the range is in one of them. */
  parts: Part[];
}

export interface Range {
  fromS: number;
  toS: number;
  /** Least width of a step. */
  stepS?: number | undefined;
}

/** Which step a range is shown with, and which tiers hold it. */
export function resolve(range: Range, nowS: number): Resolution {
  const stepS = stepOf(range, nowS);
  const fromS = floorTo(range.fromS, stepS);
  const toS = Math.max(fromS, ceilTo(Math.min(range.toS, nowS), stepS));
  return { fromS, toS, stepS, parts: partsOf({ fromS, toS, stepS }, nowS) };
}

function stepOf({ fromS, toS, stepS }: Range, nowS: number): number {
  const length = Math.max(0, toS - fromS);
  const kept = TELEMETRY_TIERS.find((tier) => nowS - fromS <= tier.keptS) ?? TELEMETRY_TIERS[2];
  // One step of slack: the range is widened to whole steps.
  const least = Math.max(stepS ?? length / USUAL_POINTS, length / (MOST_POINTS - 1), kept.stepS);
  return STEPS_S.find((step) => step >= least) ?? 86_400;
}

/** The coarsest tier that is fine enough, and behind its end the finer ones. Steps above an hour do without them. */
function partsOf({ fromS, toS, stepS }: Omit<Resolution, 'parts'>, nowS: number): Part[] {
  const fitting = TELEMETRY_TIERS.filter((tier) => tier.stepS <= Math.max(stepS, 5)).toReversed();
  const used = stepS > 3_600 ? fitting.slice(0, 1) : fitting;
  const parts: Part[] = [];
  let at = fromS;
  for (const { name } of used) {
    const last = name === used.at(-1)?.name;
    const until = last ? toS : Math.min(toS, floorTo(nowS - WHOLE_AFTER_S[name], stepS));
    if (until <= at) continue;
    parts.push({ tier: name, fromS: at, toS: until });
    at = until;
  }
  return parts;
}

export const floorTo = (value: number, step: number): number => Math.floor(value / step) * step;
const ceilTo = (value: number, step: number): number => Math.ceil(value / step) * step;
