import fc from 'fast-check';
import { expect, it } from 'vitest';
import { JobLife, SUBMITTER, type Answer } from '../../../test/job-life.js';
import type { Effects, Item } from './effects.rules.js';
import type { RunRow } from './tally-read.store.js';
import type { Policy } from './tally.rules.js';

/**
 * The invariants of docs/verification.md on the pure rules: whole lives of jobs, with leases, answers, faults, losses, late and
 * repeated reports in any order and any grouping. I9 and I10 are of a log that this version does not keep.
 */
const OWNERS = [SUBMITTER, ...Array.from({ length: 8 }, (_, n) => `owner ${n}`)];
const policies = fc.record({ consensus: fc.integer({ min: 1, max: 3 }), more: fc.nat(2), most: fc.nat(3), maxErrors: fc.integer({ min: 1, max: 3 }) })
  .map(({ consensus, more, most, maxErrors }): Policy => ({ consensus, redundancy: consensus + more, maxCopies: consensus + more + most, maxErrors, compare: { kind: 'exact' } }));
const answers: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom({ hash: 'a' }, { hash: 'a' }, { hash: 'b' }, { hash: 'c' }) },
  { weight: 1, arbitrary: fc.constantFrom<Answer>({ fault: 'job' }, { fault: 'node' }) },
);
const step = fc.record({ what: fc.constantFrom('lease', 'lease', 'report', 'report', 'report', 'lose', 'repeat', 'late', 'foreign', 'flush', 'flush'), at: fc.nat(1_000), answer: answers });
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

const pick = <T>(all: readonly T[], at: number): T | undefined => all[at % Math.max(1, all.length)];
const good = (row: RunRow): boolean => row.verdict === 'valid' || row.verdict === 'late_valid';
const LIVE = ['leased', 'running'] as const;
const isOpen = ({ status }: { status: string }): boolean => status === 'open' || status === 'quorum_pending' || status === 'disputed';

/** Plays steps; `check` sees every transaction. */
function play(life: JobLife, steps: readonly Step[], check: (effects: Effects, items: readonly Item[]) => void): void {
  let gathered: Item[] = [];
  const said: Item[] = [];
  const flush = (): void => {
    const items = gathered;
    gathered = [];
    if (items.length > 0) check(life.apply(items), items);
  };
  const say = (item: Item): void => void (gathered.push(item), said.push(item));
  for (const { what, at, answer } of steps) {
    if (what === 'flush') flush();
    if (what === 'repeat' && said.length > 0) gathered.push(pick(said, at) as Item);
    const row = pick(what === 'lease' ? life.of('ready') : what === 'late' ? life.of('expired', 'reported', 'errored', 'unneeded') : life.of(...LIVE), at);
    if (!row) continue;
    if (what === 'lease') life.lease(row, at);
    if (what === 'report') say(life.report(row, answer));
    if (what === 'late') gathered.push(life.report(row, answer));
    if (what === 'foreign') gathered.push(life.report(row, answer, { nodeId: 'node of somebody' }));
    if (what === 'lose') gathered.push(life.loss(row));
  }
  flush();
}

/** Everybody answers the same from now on; returns how many rounds it took until nothing was open. */
function drain(life: JobLife, check: (effects: Effects, items: readonly Item[]) => void): number {
  for (let round = 1; round <= 200; round += 1) {
    for (const [n, row] of life.of('ready').entries()) life.lease(row, n);
    const live = life.of(...LIVE);
    if (live.length === 0) return round;
    const items = live.map((row) => life.report(row, { hash: 'a' }));
    check(life.apply(items), items);
  }
  return Infinity;
}

function whole(property: (life: JobLife) => { each?: (effects: Effects, items: readonly Item[]) => void; end?: () => void }): void {
  fc.assert(fc.property(policies, fc.integer({ min: 1, max: 2 }), fc.array(step, { maxLength: 60 }), (policy, tasks, steps) => {
    const life = new JobLife(policy, tasks, OWNERS);
    const { each = () => undefined, end = () => undefined } = property(life);
    play(life, steps, each);
    drain(life, each);
    end();
  }), { numRuns: 300 });
}

it('I1: pay never exceeds what was held, and every job ends so that the rest can go back', () => {
  whole((life) => ({
    each: () => expect(life.pays.reduce((sum, pay) => sum + pay.amountMicro, 0n)).toBeLessThanOrEqual(life.facts.heldMicro),
    end: () => expect(life.of('ready', ...LIVE)).toEqual([]),
  }));
});

it('I2: an execution is paid at most once; one that is invalid, lost, faulty or the submitter’s own never', () => {
  whole((life) => ({
    end: () => {
      const paid = life.pays.map((pay) => pay.executionId);
      expect(new Set(paid).size).toBe(paid.length);
      expect(paid.toSorted()).toEqual(life.rows.filter((row) => good(row) && row.owner !== SUBMITTER).map((row) => row.id).toSorted());
      for (const row of life.rows.filter(good)) expect([row.status, row.purpose]).toEqual(['reported', 'copy']);
    },
  }));
});

it('I4: an attempt that has a successor counts for nothing, whatever is reported of it', () => {
  whole((life) => ({
    each: () => {
      for (const row of life.rows.filter((one) => life.successor(one))) {
        expect([row.verdict, row.status === 'expired' || row.status === 'errored']).toEqual(['none', true]);
        expect(life.tasks.some((task) => task.canonical === row.id)).toBe(false);
      }
    },
  }));
});

it('I5: a decision, an end and a verdict stay as they are', () => {
  whole((life) => {
    const decided = new Map<string, string>();
    const ended = new Map<string, string>();
    const stays = (kept: Map<string, string>, id: string, now: unknown): void => {
      const text = JSON.stringify(now);
      expect(kept.get(id) ?? text).toBe(text);
      kept.set(id, text);
    };
    return {
      each: () => {
        for (const task of life.tasks.filter((one) => !isOpen(one))) stays(decided, task.id, task);
        for (const row of life.of('reported', 'expired', 'errored', 'unneeded')) stays(ended, row.id, [row.status, row.hash, row.node, row.attempt]);
        for (const row of life.rows.filter((one) => one.verdict !== 'none')) stays(ended, `verdict ${row.id}`, row.verdict);
      },
    };
  });
});

it('I3 and I6: what is accepted, k distinct owners gave, as anybody can count from the rows', () => {
  whole((life) => ({
    each: (effects) => {
      for (const decided of effects.decided.filter((task) => task.status === 'final')) {
        const votes = life.rows.filter((row) => row.task === decided.taskId && row.purpose === 'copy' && row.verdict === 'valid');
        expect(new Set(votes.map((row) => row.key)).size).toBeGreaterThanOrEqual(life.policy.consensus);
        expect(new Set(votes.map((row) => row.key)).size).toBe(votes.length);
        for (const vote of votes) expect(vote.hash).toBe(decided.resultHash);
        expect(life.task(decided.taskId).canonical).toBeOneOf(votes.map((row) => row.id));
      }
    },
  }));
});

it('I7: whatever comes twice, late or from somebody else ends nothing, and verdicts are those of the set of votes', () => {
  whole((life) => ({
    each: (effects, items) => {
      const counted = effects.outcomes.filter((one) => one.outcome === 'counted' || one.outcome === 'refused').length;
      expect(effects.ended).toHaveLength(counted);
      expect(new Set(effects.ended.map((run) => run.id)).size).toBe(counted);
      expect(effects.outcomes).toHaveLength(items.length);
    },
    end: () => {
      for (const row of life.of('reported').filter((one) => one.purpose === 'copy')) {
        const task = life.task(row.task);
        expect(row.verdict === 'none' ? 'none' : good(row)).toBe(task.status === 'final' ? row.hash === task.hash : 'none');
      }
    },
  }));
});

it('I8: what is lost comes back in the same moment, and no task is left without a run before it is decided', () => {
  whole((life) => ({
    each: (effects) => {
      for (const task of life.tasks.filter(isOpen)) {
        const own = life.rows.filter((row) => row.task === task.id);
        expect(own.some((row) => row.status === 'ready' || row.status === 'leased')).toBe(true);
        if (own.some((row) => row.purpose === 'recheck')) continue;
        for (const run of effects.ended.filter((one) => one.status === 'expired')) {
          const lost = own.find((row) => row.id === run.id);
          if (lost) expect(life.successor(lost)?.attempt).toBe(lost.attempt + 1);
        }
      }
    },
    end: () => expect(life.tasks.filter(isOpen)).toEqual([]),
  }));
});

it('I11: points and counters come from verdicts, one each, and never from work for oneself', () => {
  whole((life) => ({
    end: () => {
      const judged = life.rows.filter((row) => row.verdict !== 'none' && row.owner !== SUBMITTER);
      expect(life.scores.map((score) => [score.executionId, score.delta]).toSorted()).toEqual(judged.map((row) => [row.id, good(row) ? 5 : -10]).toSorted());
      for (const [nodeId, counters] of life.nodes) {
        const own = judged.filter((row) => row.node === nodeId);
        expect(counters).toEqual({ ran: own.length, valid: own.filter(good).length, invalid: own.filter((row) => !good(row)).length });
      }
    },
  }));
});

it('I12: second runs are asked of every voter alike, on his own node, and decide without being votes', () => {
  whole((life) => ({
    each: (effects) => {
      const rechecks = effects.added.filter((run) => run.purpose === 'recheck' && run.attempt === 1);
      for (const taskId of new Set(rechecks.map((run) => run.taskId))) {
        const votes = life.rows.filter((row) => row.task === taskId && row.purpose === 'copy' && row.status === 'reported');
        expect(rechecks.filter((run) => run.taskId === taskId).map((run) => [run.copy, run.nodeId]).toSorted()).toEqual(votes.map((row) => [row.copy, row.node]).toSorted());
      }
    },
    end: () => {
      for (const row of life.rows.filter((one) => one.purpose === 'recheck')) expect(row.verdict).toBe('none');
    },
  }));
});
