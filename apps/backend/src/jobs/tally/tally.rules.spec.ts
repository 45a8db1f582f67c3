import { sha256Hex } from '@muster/proof';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_NODE_ERRORS, tally, type Decision, type Policy, type Run } from './tally.rules.js';

const POLICY: Policy = { redundancy: 3, consensus: 2, maxCopies: 7, maxErrors: 3, compare: { kind: 'exact' } };
const OPEN = { status: 'open', canonicalId: null } as const;
const [A, B, C] = ['a', 'b', 'c'].map((text) => sha256Hex(text)) as [string, string, string];

function run(copy: number, over: Partial<Run> = {}): Run {
  return {
    id: `run-${copy}-${over.attempt ?? 1}-${over.purpose ?? 'copy'}`, copy, attempt: 1, purpose: 'copy', nodeId: `node-${copy}`, ownerId: `owner-${copy}`, key: `owner-${copy}`,
    status: 'ready', verdict: 'none', resultHash: null, bytes: null, faultBlame: null, faultCode: null, faultMessage: null, ...over,
  };
}
const vote = (copy: number, resultHash: string, over: Partial<Run> = {}): Run => run(copy, { status: 'reported', resultHash, ...over });
const failedRun = (copy: number, faultBlame: 'job' | 'node', over: Partial<Run> = {}): Run =>
  run(copy, { status: 'errored', faultBlame, faultCode: 'exit_code', faultMessage: 'Exit code 2', ...over });
const verdicts = (decision: Decision): Record<string, string> => Object.fromEntries(decision.verdicts.map((one) => [one.run.copy, one.verdict]));

describe('a task of 3 copies, 2 of which must agree', () => {
  it('waits for the second equal result, and no longer', () => {
    expect(tally(POLICY, OPEN, [vote(0, A), run(1), run(2)])).toMatchObject({ status: 'quorum_pending', newRuns: [], dropReady: false });
    const decision = tally(POLICY, OPEN, [vote(0, A), vote(1, A), run(2)]);
    expect(decision).toMatchObject({ status: 'final', dropReady: true, newRuns: [] });
    expect(decision.canonical?.resultHash).toBe(A);
    expect(verdicts(decision)).toEqual({ 0: 'valid', 1: 'valid' });
  });

  it('judges the minority as wrong, and what comes later by what was found', () => {
    expect(verdicts(tally(POLICY, OPEN, [vote(0, A), vote(1, B), vote(2, A)]))).toEqual({ 0: 'valid', 1: 'invalid', 2: 'valid' });
    const final = { status: 'final', canonicalId: 'run-0-1-copy' } as const;
    const known = [vote(0, A, { verdict: 'valid' }), vote(1, A, { verdict: 'valid' })];
    expect(verdicts(tally(POLICY, final, [...known, vote(2, A)]))).toEqual({ 2: 'late_valid' });
    expect(verdicts(tally(POLICY, final, [...known, vote(2, B)]))).toEqual({ 2: 'invalid' });
  });

  it('in dispute gets one copy after the other, up to the most there may be', () => {
    const decision = tally(POLICY, OPEN, [vote(0, A), vote(1, B), vote(2, C)]);
    expect(decision).toMatchObject({ status: 'disputed', newRuns: [{ copy: 3, attempt: 1, purpose: 'copy' }] });
    expect(tally(POLICY, OPEN, [vote(0, A), vote(1, B), vote(2, C), vote(3, B)])).toMatchObject({ status: 'final' });
  });

  it('that cannot agree asks every voter a second time, and then says what it is', () => {
    const policy = { ...POLICY, maxCopies: 3 };
    const votes = [vote(0, A), vote(1, B), vote(2, C)];
    const again = tally(policy, OPEN, votes);
    expect(again.newRuns.map(({ copy, purpose, of }) => [copy, purpose, of?.nodeId])).toEqual([[0, 'recheck', 'node-0'], [1, 'recheck', 'node-1'], [2, 'recheck', 'node-2']]);
    const second = (hashes: readonly string[]): Run[] => [...votes, ...hashes.map((hash, copy) => vote(copy, hash, { purpose: 'recheck' }))];
    expect(tally(policy, { status: 'disputed', canonicalId: null }, second([A, B, C]))).toMatchObject({ status: 'failed', fault: { code: 'nondeterministic' }, verdicts: [] });
    expect(tally(policy, { status: 'disputed', canonicalId: null }, second([B, C, A]))).toMatchObject({ status: 'failed', fault: { code: 'nondeterministic' }, verdicts: [] });
    const mixed = tally(policy, { status: 'disputed', canonicalId: null }, second([A, B, A]));
    expect(mixed).toMatchObject({ status: 'failed', fault: { code: 'no_consensus' }, verdicts: [] });
    expect(mixed.fault?.message).toContain(`1 said ${A.slice(0, 8)}…`);
  });

  it('fails when the program fails on as many as were to blame it, with its own words', () => {
    expect(tally(POLICY, OPEN, [failedRun(0, 'job'), failedRun(1, 'job'), run(2)])).toMatchObject({ status: 'disputed', newRuns: [{ copy: 3 }] });
    expect(tally(POLICY, OPEN, [0, 1, 2].map((copy) => failedRun(copy, 'job')))).toMatchObject({ status: 'failed', fault: { code: 'exit_code', message: '3 nodes failed at it: Exit code 2' } });
  });

  it('gives a copy that its node failed or lost to another one, and gives it up in the end', () => {
    expect(tally(POLICY, OPEN, [failedRun(0, 'node'), run(1), run(2)]).newRuns).toMatchObject([{ copy: 0, attempt: 2 }]);
    expect(tally(POLICY, OPEN, [run(0, { status: 'expired' }), run(1), run(2)]).newRuns).toMatchObject([{ copy: 0, attempt: 2 }]);
    expect(tally(POLICY, OPEN, [failedRun(0, 'node', { attempt: MAX_NODE_ERRORS }), run(1), run(2)])).toMatchObject({ status: 'failed' });
  });

  it('never counts an owner twice', () => {
    const twins = [vote(0, B, { key: 'owner-9' }), vote(1, B, { key: 'owner-9' }), run(2)];
    expect(tally(POLICY, OPEN, twins).status).not.toBe('final');
  });

  it('compares numbers within a tolerance, pair by pair and not in chains', () => {
    const policy: Policy = { ...POLICY, compare: { kind: 'tolerance', atol: 0.1, rtol: 0 } };
    const number = (copy: number, text: string): Run => vote(copy, sha256Hex(text), { bytes: Buffer.from(text) });
    expect(tally(policy, OPEN, [number(0, '1.00 2'), number(1, '1.05 2'), run(2)])).toMatchObject({ status: 'final' });
    expect(tally(policy, OPEN, [number(0, '1.00'), number(1, '1.15'), run(2)])).toMatchObject({ status: 'quorum_pending' });
    const chain = tally(policy, OPEN, [number(0, '{"x":1.00}'), number(1, '{"x":1.09}'), number(2, '{"x":1.18}')]);
    expect(chain.canonical?.copy).toBe(1);
    expect(tally(policy, OPEN, [number(0, '1.0 a'), number(1, '1.0 b'), run(2)])).toMatchObject({ status: 'quorum_pending' });
  });
});

describe('whatever was reported', () => {
  const anyRun = fc.record({
    copy: fc.nat(6), attempt: fc.integer({ min: 1, max: 3 }), owner: fc.nat(7), hash: fc.constantFrom(A, B, C),
    status: fc.constantFrom('ready', 'leased', 'running', 'reported', 'reported', 'expired', 'errored') as fc.Arbitrary<Run['status']>,
    blame: fc.constantFrom('job', 'node'),
  }).map(({ copy, attempt, owner, hash, status, blame }) =>
    run(copy, {
      attempt, status, id: `run-${copy}-${attempt}`, key: `owner-${owner}`, nodeId: `node-${owner}`, ownerId: `owner-${owner}`,
      ...(status === 'reported' ? { resultHash: hash } : {}), ...(status === 'errored' ? { faultBlame: blame, faultCode: 'exit_code' } : {}),
    }));
  const runs = fc.uniqueArray(anyRun, { selector: (one) => one.id, maxLength: 14 });
  const policies = fc.record({ consensus: fc.integer({ min: 1, max: 3 }), more: fc.nat(3), most: fc.nat(4) }).map(({ consensus, more, most }): Policy => ({
    ...POLICY, consensus, redundancy: consensus + more, maxCopies: consensus + more + most,
  }));
  const shape = (decision: Decision) => ({
    ...decision,
    canonical: decision.canonical?.resultHash ?? null,
    verdicts: decision.verdicts.map((one) => [one.run.id, one.verdict]).toSorted(),
    newRuns: decision.newRuns.map((one) => [one.copy, one.attempt, one.purpose, one.of?.nodeId ?? null]),
  });

  it('order and repetition change nothing', () => {
    fc.assert(fc.property(policies, runs, fc.array(fc.nat(1_000)), fc.nat(), (policy, all, swaps, twice) => {
      const shuffled = swaps.reduce((list, swap, i) => {
        if (list.length === 0) return list;
        const [from, to] = [i % list.length, swap % list.length];
        return list.with(from, list[to] as Run).with(to, list[from] as Run);
      }, all);
      const repeated = all.length === 0 ? shuffled : [...shuffled, all[twice % all.length] as Run];
      expect(shape(tally(policy, OPEN, repeated))).toEqual(shape(tally(policy, OPEN, all)));
    }));
  });

  it('an old attempt never counts', () => {
    fc.assert(fc.property(policies, runs, fc.constantFrom(A, B, C), (policy, all, hash) => {
      const newest = all.filter((one) => !all.some((other) => other.copy === one.copy && other.attempt > one.attempt));
      const stale = newest.map((one) => vote(one.copy, hash, { attempt: one.attempt - 1, id: `old-${one.copy}`, key: `owner-old-${one.copy}` }));
      expect(shape(tally(policy, OPEN, [...newest, ...stale]))).toEqual(shape(tally(policy, OPEN, newest)));
    }));
  });

  it('accepted means that k distinct owners said so, and everybody is judged by it', () => {
    fc.assert(fc.property(policies, runs, (policy, all) => {
      const decision = tally(policy, OPEN, all);
      if (decision.status !== 'final') {
        expect(decision.verdicts).toEqual([]);
        return;
      }
      const owners = new Set(decision.verdicts.filter((one) => one.verdict === 'valid').map((one) => one.run.key));
      expect(owners.size).toBeGreaterThanOrEqual(policy.consensus);
      for (const { run: one, verdict } of decision.verdicts) expect(verdict === 'valid').toBe(one.resultHash === decision.canonical?.resultHash);
    }));
  });

  it('no more copies are made than allowed, none twice, and an open task always has something under way', () => {
    fc.assert(fc.property(policies, runs, (policy, all) => {
      const decision = tally(policy, OPEN, all);
      const slots = decision.newRuns.map((one) => `${one.purpose} ${one.copy} ${one.attempt}`);
      expect(new Set(slots).size).toBe(slots.length);
      const fresh = decision.newRuns.filter((one) => one.purpose === 'copy' && one.attempt === 1);
      for (const one of fresh) expect(one.copy).toBeLessThan(policy.maxCopies);
      const newest = all.filter((one) => !all.some((other) => other.copy === one.copy && other.attempt > one.attempt));
      const underWay = newest.some((one) => one.status === 'ready' || one.status === 'leased' || one.status === 'running');
      if (decision.status !== 'final' && decision.status !== 'failed') expect(underWay || decision.newRuns.length > 0).toBe(true);
    }));
  });

  it('a final task stays as it is', () => {
    fc.assert(fc.property(policies, runs, (policy, all) => {
      const known = vote(9, A, { id: 'canonical', verdict: 'valid' });
      const decision = tally(policy, { status: 'final', canonicalId: 'canonical' }, [known, ...all]);
      expect(decision).toMatchObject({ status: 'final', newRuns: [], fault: null });
      for (const { run: one, verdict } of decision.verdicts) expect(verdict).toBe(one.resultHash === A ? 'late_valid' : 'invalid');
    }));
  });
});
