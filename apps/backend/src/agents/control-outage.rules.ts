import { RESTART_GRACE_S } from '@muster/shared-types';

/** A stretch in which the market itself was away. */
export interface Outage {
  from: Date;
  to: Date;
}

/** The mark is written every 5 s; two missed ones are a hole. */
export const ALIVE_EVERY_MS = 5_000;
export const ALIVE_GAP_MS = 2 * ALIVE_EVERY_MS;
/** How far back outages are kept at hand: past the hour after which a silent host is lost, with room. */
export const REMEMBER_MS = 6 * 3_600_000;

export type OutageCause = 'restart' | 'redis_lost' | 'dependency_down' | 'stalled';

export interface AliveTick {
  /** The mark before this one succeeded. */
  markedBefore: boolean;
  /** Redis still had our marker: it has not been emptied. */
  redisKept: boolean;
  /** On this process's monotonic clock since the last good mark. */
  sinceLastMs: number;
}

/** Why the time since the last good mark counts as an outage; undefined when it does not. */
export function outageCause(tick: AliveTick): OutageCause | undefined {
  if (!tick.redisKept) return 'redis_lost';
  if (!tick.markedBefore) return 'dependency_down';
  return tick.sinceLastMs > ALIVE_GAP_MS ? 'stalled' : undefined;
}

/** Within the restart grace of any outage nothing is held against a node. */
export function inGrace(outages: readonly Outage[], now: Date): boolean {
  return outages.some((outage) => outage.from <= now && now.getTime() < outage.to.getTime() + RESTART_GRACE_S * 1000);
}
