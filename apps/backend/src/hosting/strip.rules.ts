const HOUR_MS = 3_600_000;

export interface Part {
  fromAt: Date;
  /** Null: it goes on. */
  toAt: Date | null;
  share: number;
}

/** Beginnings of the last so many hours, oldest first; the newest is the hour that runs. */
export function lastHours(now: Date, count: number): Date[] {
  const newest = now.getTime() - (now.getTime() % HOUR_MS);
  return Array.from({ length: count }, (_, index) => new Date(newest - (count - 1 - index) * HOUR_MS));
}

/** Which part of an hour, up to now, the stretches fill: overlapping ones add up, to the whole at most. */
export function filled(hour: Date, now: Date, stretches: readonly Part[]): number {
  const end = Math.min(hour.getTime() + HOUR_MS, now.getTime());
  const length = end - hour.getTime();
  if (length <= 0) return 0;
  const used = stretches.reduce((sum, { fromAt, toAt, share }) => sum + share * Math.max(0, Math.min(end, toAt?.getTime() ?? end) - Math.max(hour.getTime(), fromAt.getTime())), 0);
  return Math.round(Math.min(1, used / length) * 1_000) / 1_000;
}
