/**
 * Rentals are billed on the grid of whole unix seconds: starts are rounded up and ends down, so a renter never pays
 * for a part of a second, and every sum of seconds is exact.
 */
export const floorSecond = (at: Date): number => Math.floor(at.getTime() / 1000);
export const ceilSecond = (at: Date): number => Math.ceil(at.getTime() / 1000);
export const dateOfSecond = (second: number): Date => new Date(second * 1000);

/** A stretch of whole seconds, `toS` excluded. */
export interface Stretch {
  fromS: number;
  toS: number;
}

/** Seconds of `[fromS, toS)` that lie in none of the stretches. The stretches may overlap and come in any order. */
export function secondsOutside(fromS: number, toS: number, stretches: readonly Stretch[]): number {
  let counted = 0;
  let cursor = fromS;
  for (const gap of [...stretches].sort((a, b) => a.fromS - b.fromS)) {
    if (gap.fromS >= toS) break;
    counted += Math.max(0, Math.min(gap.fromS, toS) - cursor);
    cursor = Math.max(cursor, gap.toS);
  }
  return counted + Math.max(0, toS - cursor);
}

/** The earliest second at which `wanted` seconds outside the stretches have passed since `fromS`. */
export function secondAfter(fromS: number, wanted: number, stretches: readonly Stretch[]): number {
  let missing = wanted;
  let cursor = fromS;
  for (const gap of [...stretches].sort((a, b) => a.fromS - b.fromS)) {
    const free = Math.max(0, gap.fromS - cursor);
    if (missing <= free) break;
    missing -= free;
    cursor = Math.max(cursor, gap.toS);
  }
  return cursor + missing;
}
