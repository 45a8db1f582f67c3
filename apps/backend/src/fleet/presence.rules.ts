import { LOST_AFTER_S, OFFLINE_AFTER_S, UNREACHABLE_AFTER_S, type NodePresence } from '@muster/shared-types';
import type { Outage } from '../agents/control-outage.rules.js';

/** A worker that speaks only HTTP beats every 30 s: three missed ones are 90 s. */
export const HTTP_INTERVAL_MS = 30_000;
export const HTTP_UNREACHABLE_AFTER_S = 90;

export interface Silence {
  lastBeatAt: Date;
  now: Date;
  /** The market's own outages that may touch the silence, in any order, possibly overlapping. */
  outages: readonly Outage[];
  /** The newest heartbeat came over plain HTTP. */
  http: boolean;
}

/** Milliseconds for which the node itself was silent: what the market was away for is not its silence. */
export function ownSilenceMs({ lastBeatAt, now, outages }: Pick<Silence, 'lastBeatAt' | 'now' | 'outages'>): number {
  const whole = now.getTime() - lastBeatAt.getTime();
  return Math.max(0, whole - coveredMs(lastBeatAt.getTime(), now.getTime(), outages));
}

/** When the silence that counts began: after the last outage that touches it, else at the last heartbeat. */
export function silentSince({ lastBeatAt, now, outages }: Pick<Silence, 'lastBeatAt' | 'now' | 'outages'>): Date {
  const ends = outages.filter((outage) => outage.to > lastBeatAt && outage.from < now).map((outage) => outage.to.getTime());
  return new Date(Math.min(now.getTime(), Math.max(lastBeatAt.getTime(), ...ends)));
}

/** What a silence makes of a node, the restart grace aside. */
export function presenceAfter(silence: Silence): NodePresence {
  const seconds = ownSilenceMs(silence) / 1000;
  if (seconds >= OFFLINE_AFTER_S) return 'offline';
  return seconds > (silence.http ? HTTP_UNREACHABLE_AFTER_S : UNREACHABLE_AFTER_S) ? 'unreachable' : 'online';
}

/** The host is given up and its rentals are lost. */
export const isLost = (silence: Silence): boolean => ownSilenceMs(silence) / 1000 >= LOST_AFTER_S;

/** How much of [from, to] the outages cover, overlaps counted once. Milliseconds. */
export function coveredMs(from: number, to: number, outages: readonly Outage[]): number {
  const clipped = outages
    .map((outage) => [Math.max(from, outage.from.getTime()), Math.min(to, outage.to.getTime())] as const)
    .filter(([start, end]) => end > start)
    .toSorted(([a], [b]) => a - b);
  let covered = 0;
  let reached = from;
  for (const [start, end] of clipped) {
    covered += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return covered;
}
