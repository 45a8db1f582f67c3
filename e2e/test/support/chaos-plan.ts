import type { JobSubmissionInput, JobView } from '@muster/shared-types';
import { Seeded } from './seeded.js';

export const NODES = 3;

/** One job, and how it must end whatever is killed meanwhile. */
export interface PlannedJob {
  body: JobSubmissionInput;
  ends: JobView['status'];
  /** Of a completed one: what it comes to, where that is text. */
  result?: string;
  faultCode?: string;
  /** Cancelled so long after its submission; it may have ended before. */
  cancelAfterMs?: number;
}

export type Victim = { part: 'backend' } | { part: 'agent' | 'dockerd'; node: number };

/** A blow falls some time after the so-manieth job was submitted. */
export interface Blow {
  afterJob: number;
  delayMs: number;
  victim: Victim;
}

/** An agent that stands still for longer than its leases, after all blows: what it reports then comes too late. */
export interface Silence {
  afterJob: number;
  node: number;
}

export interface ChaosPlan {
  jobs: PlannedJob[];
  blows: Blow[];
  silences: Silence[];
}

/** Every fourth job a blow; in long runs the last third has no blows to the market, so that leases end and agents fall silent in it. */
export function chaosPlan(count: number, seed: number): ChaosPlan {
  const chance = new Seeded(seed);
  const jobs = Array.from({ length: count }, (_, n) => jobOf(n, chance));
  const isLong = count >= 100;
  const lastBlow = isLong ? Math.floor(count * 0.65) : count;
  const blows = Array.from({ length: Math.ceil(count / 4) }, (_, n) => ({ afterJob: chance.whole(1, lastBlow), delayMs: chance.whole(0, 2_500), victim: victimOf(n, chance) }));
  const silences = isLong ? [0.8, 0.9].map((share) => ({ afterJob: Math.floor(count * share), node: chance.whole(1, NODES) })) : [];
  return { jobs, blows: blows.toSorted((a, b) => a.afterJob - b.afterJob), silences };
}

/** Each in turn, so that a short run hits all of them. */
function victimOf(n: number, chance: Seeded): Victim {
  const part = (['backend', 'agent', 'dockerd'] as const)[n % 3] ?? 'backend';
  return part === 'backend' ? { part } : { part, node: chance.whole(1, NODES) };
}

const KINDS = ['quick', 'quick', 'slow', 'slow', 'all agree', 'matrix', 'folder', 'fails', 'cancelled'] as const;

function jobOf(n: number, chance: Seeded): PlannedJob {
  const kind = KINDS[n < KINDS.length ? n : chance.whole(0, KINDS.length - 1)] ?? 'quick';
  const word = `word ${n}`;
  const seconds = (chance.whole(5, 40) / 10).toFixed(1);
  const common = { name: `${n} ${kind}`, docker_image: 'workspace', timeout_s: 90, memory_mb: 128 };
  const shell = (script: string): JobSubmissionInput => ({ ...common, command: ['sh', '-c', script] });
  const completed = (body: JobSubmissionInput, result: string): PlannedJob => ({ body, ends: 'completed', result });
  switch (kind) {
    case 'quick':
      return completed({ ...common, command: ['echo', word] }, `${word}\n`);
    case 'slow':
      return completed(shell(`sleep ${seconds}; echo ${word}`), `${word}\n`);
    case 'all agree':
      return completed({ ...shell(`sleep ${seconds}; echo ${word}`), consensus: NODES }, `${word}\n`);
    case 'matrix':
      return completed({ ...shell('echo part $PART'), redundancy: 2, tasks: { kind: 'matrix', axes: { part: ['1', '2', '3'] } }, aggregate: { kind: 'concat' } }, 'part 1\npart 2\npart 3\n');
    case 'folder':
      return { body: { ...shell(`sleep ${seconds}; echo ${word} > /output/word`), outputs: '/output', redundancy: 2 }, ends: 'completed' };
    case 'fails':
      return { body: shell(`sleep ${seconds}; echo ${word} >&2; exit 3`), ends: 'failed', faultCode: 'exit_code' };
    case 'cancelled':
      return { body: shell('sleep 60'), ends: 'cancelled', cancelAfterMs: chance.whole(0, 4_000) };
  }
}
