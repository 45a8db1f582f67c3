import { COVERED_GAP_S, RESTART_GRACE_S } from '@muster/shared-types';

/** A time in which the market itself was away. */
export interface Outage {
  from: Date;
  to: Date;
}

export type Coverage = { kind: 'covered' } | { kind: 'gap'; from: Date; to: Date };

/** Clocks of two machines count the same seconds a little differently; heartbeats take time on the way. */
const UP_SLACK_MS = 2_000;
const ms = (seconds: number): number => seconds * 1_000;

/** A silence up to this long is covered. */
export const isShort = (from: Date, to: Date): boolean => to.getTime() - from.getTime() <= ms(COVERED_GAP_S);

/**
 * Joins outages with less than a full restart grace between them: nodes had no fair chance to come back.
 * Sorted by start.
 */
export function joinOutages(outages: readonly Outage[]): Outage[] {
  const joined: Outage[] = [];
  for (const outage of [...outages].sort((a, b) => a.from.getTime() - b.from.getTime())) {
    const last = joined.at(-1);
    if (last && outage.from.getTime() <= last.to.getTime() + ms(RESTART_GRACE_S)) {
      joined[joined.length - 1] = { from: last.from, to: outage.to > last.to ? outage.to : last.to };
    } else joined.push(outage);
  }
  return joined;
}

/** The outage that explains a silence which began after `last`: it began before the silence was long, and its grace is not over at `now`. */
export function outageBehind(last: Date, now: Date, outages: readonly Outage[]): Outage | undefined {
  return joinOutages(outages).find(
    (outage) =>
      outage.from.getTime() <= last.getTime() + ms(COVERED_GAP_S) &&
      outage.to >= last &&
      now.getTime() <= outage.to.getTime() + ms(RESTART_GRACE_S),
  );
}

/**
 * What the stretch between two acknowledged reports of a running instance counts as. Up to 15 s: covered. Longer:
 * unbilled from its first second, unless the market caused it and the instance's own monotonic `upS` spans it.
 */
export function coverageBetween(last: Date, beat: Date, upS: number, outages: readonly Outage[]): Coverage {
  if (isShort(last, beat)) return { kind: 'covered' };
  const upSince = beat.getTime() - ms(upS);
  const spanned = upSince <= last.getTime() + UP_SLACK_MS;
  if (spanned && outageBehind(last, beat, outages)) return { kind: 'covered' };
  return { kind: 'gap', from: last, to: beat };
}

export interface Unmarked {
  /** Up to where it is proven to have been covered. */
  proven: Date;
  /** Up to where it counts when its node was there all along (`coveredWithoutMark`). */
  covered: Date;
  beat: Date;
  upS: number;
  outages: readonly Outage[];
}

/**
 * What the stretch before a report counts as when Redis has lost the mark. An instance that came up only after the loss
 * was down before it, nobody knows since when: unbilled from the last proven second to where it came up.
 */
export function coverageWithoutMark({ proven, covered, beat, upS, outages }: Unmarked): Coverage {
  const upSince = new Date(beat.getTime() - ms(upS));
  if (upSince.getTime() <= covered.getTime() + UP_SLACK_MS) return coverageBetween(covered, beat, upS, outages);
  const since = coverageBetween(upSince, beat, upS, outages);
  return { kind: 'gap', from: proven, to: since.kind === 'gap' ? beat : upSince };
}

export interface EndFacts {
  /** The moment it should end: stop requested or deadline. */
  wanted: Date;
  /** The last moment known to be covered; null when nobody knows (Redis lost its data and the node has not reported since). */
  covered: Date | null;
  now: Date;
  outages: readonly Outage[];
  /** The agent says that it ended the instance at its deadline. */
  endedAtDeadline: boolean;
  /** The silence was so long that its node is not waited for any more. */
  lost?: boolean;
}

export type EndMoment = { kind: 'at'; end: Date } | { kind: 'wait' };

/**
 * When billing really ended: at the wanted moment when no long silence came before it, else where the silence began.
 * `wait`: the market was away, and the node may still prove that it went on.
 */
export function endMoment(facts: EndFacts): EndMoment {
  const { wanted, covered, now, outages } = facts;
  if (covered === null) return { kind: 'wait' };
  // The whole silence was long, also where only its first seconds lie before the wanted moment.
  if (facts.lost) return { kind: 'at', end: covered < wanted ? covered : wanted };
  if (isShort(covered, wanted)) return { kind: 'at', end: wanted };
  const outage = outageBehind(covered, now, outages);
  if (outage && facts.endedAtDeadline) return { kind: 'at', end: wanted };
  return outage ? { kind: 'wait' } : { kind: 'at', end: covered };
}

export interface LostMark {
  billedThrough: Date;
  /** When the market last knew that Postgres answered and Redis still had its data. */
  aliveAt: Date;
  /** Since when the node is away; null when it is not. */
  downSince: Date | null;
  now: Date;
  outages: readonly Outage[];
}

/**
 * How far an instance was covered when Redis has lost its mark: up to where the market itself was last whole, and no
 * further than where its node fell silent. Never before what is settled, since that was covered.
 */
export function coveredWithoutMark({ billedThrough, aliveAt, downSince, now, outages }: LostMark): Date {
  const recent = joinOutages(outages).filter((outage) => now.getTime() <= outage.to.getTime() + ms(RESTART_GRACE_S));
  const whole = recent.reduce((earliest, outage) => (outage.from < earliest ? outage.from : earliest), aliveAt);
  const covered = downSince && downSince < whole ? downSince : whole;
  return covered > billedThrough ? covered : billedThrough;
}
