import type { Compare, ExecutionStatus, ExecutionVerdict, TaskStatus } from '@muster/shared-types';
import { groupBy } from '../group.rules.js';
import { same } from './compare.rules.js';

/** How a job's tasks are decided. */
export interface Policy {
  redundancy: number;
  consensus: number;
  maxCopies: number;
  /** Owners or nodes whose runs fail by the job's own doing before it is blamed. */
  maxErrors: number;
  compare: Compare;
}

/** One run of the task, as it stands now. */
export interface Run {
  id: string;
  copy: number;
  attempt: number;
  purpose: 'copy' | 'recheck';
  nodeId: string | null;
  ownerId: string | null;
  /** What copies of one task must not share. */
  key: string | null;
  status: ExecutionStatus;
  verdict: ExecutionVerdict;
  resultHash: string | null;
  bytes: Uint8Array | null;
  faultBlame: string | null;
  faultCode: string | null;
  faultMessage: string | null;
}

export interface TaskFacts {
  status: TaskStatus;
  /** The run whose result is the task's, once it is final. */
  canonicalId: string | null;
}

export interface NewRun {
  copy: number;
  attempt: number;
  purpose: 'copy' | 'recheck';
  /** Of a recheck: the run that is repeated, on its node. */
  of: Run | null;
}

export interface Decision {
  status: TaskStatus;
  canonical: Run | null;
  /** Verdicts that are new by this decision. */
  verdicts: { run: Run; verdict: ExecutionVerdict }[];
  newRuns: NewRun[];
  /** Copies that wait for a node are needed no more. */
  dropReady: boolean;
  fault: { code: string; message: string } | null;
}

/** A copy that node after node fails or loses is given up after so many tries. */
export const MAX_NODE_ERRORS = 5;
export const MAX_LOSSES = 20;
/** A node that does not answer a recheck is asked once more. */
const RECHECK_TRIES = 2;

/**
 * Decides a task by all its runs. Pure, and the same whatever the order of the runs, and however often one is named: of
 * each copy only the newest attempt counts, so an old one never changes anything.
 *
 *   open → quorum_pending → final            the first k equal results of distinct owners (or nodes)
 *              └→ disputed → final           more copies, up to max_copies, where k cannot agree any more
 *                    └→ failed               … and neither can those: each voter runs once more, then the votes are shown
 *
 * A final task stays as it is: what comes later is only judged by it.
 */
export function tally(policy: Policy, task: TaskFacts, runs: readonly Run[]): Decision {
  const newest = newestAttempts(runs);
  const copies = newest.filter((run) => run.purpose === 'copy');
  const votes = copies.filter(isVote);
  if (task.status === 'final') return judged(policy, task, votes, runs);
  if (task.status === 'failed' || task.status === 'cancelled') return { ...nothing(task.status), dropReady: true };
  const canonical = winner(policy, votes);
  if (canonical) return final(policy, canonical, votes);
  return undecided(policy, copies, votes, newest.filter((run) => run.purpose === 'recheck'));
}

const nothing = (status: TaskStatus): Decision => ({ status, canonical: null, verdicts: [], newRuns: [], dropReady: false, fault: null });

type VoteRun = Run & { resultHash: string; key: string };
const isVote = (run: Run): run is VoteRun => run.status === 'reported' && run.resultHash !== null && run.key !== null;

/** The greatest attempt of each copy; runs named twice count once. In the order of copies, so that order of arrival is forgotten. */
function newestAttempts(runs: readonly Run[]): Run[] {
  const newest = new Map<string, Run>();
  for (const run of runs) {
    const slot = `${run.purpose} ${run.copy}`;
    const known = newest.get(slot);
    if (!known || run.attempt > known.attempt) newest.set(slot, run);
  }
  return [...newest.values()].toSorted((a, b) => a.copy - b.copy || (a.id < b.id ? -1 : 1));
}

const agreeing = (policy: Policy, votes: readonly VoteRun[], with_: VoteRun): VoteRun[] => votes.filter((vote) => same(vote, with_, policy.compare));
const distinctKeys = (votes: readonly VoteRun[]): number => new Set(votes.map((vote) => vote.key)).size;

/** Most who agree first; what is left undecided by that is decided by the hash, never by who came first. */
function winner(policy: Policy, votes: readonly VoteRun[]): VoteRun | undefined {
  const ranked = votes
    .map((vote) => ({ vote, count: distinctKeys(agreeing(policy, votes, vote)) }))
    .filter(({ count }) => count >= policy.consensus)
    .toSorted((a, b) => b.count - a.count || (a.vote.resultHash < b.vote.resultHash ? -1 : a.vote.resultHash > b.vote.resultHash ? 1 : a.vote.copy - b.vote.copy));
  return ranked[0]?.vote;
}

function final(policy: Policy, canonical: VoteRun, votes: readonly VoteRun[]): Decision {
  const verdicts = votes.map((run) => ({ run, verdict: same(run, canonical, policy.compare) ? 'valid' as const : 'invalid' as const }));
  return { ...nothing('final'), canonical, verdicts, dropReady: true };
}

/** Copies that were under way when the task became final: judged by its result, which nothing changes. */
function judged(policy: Policy, task: TaskFacts, votes: readonly VoteRun[], runs: readonly Run[]): Decision {
  const canonical = runs.find((run) => run.id === task.canonicalId);
  if (canonical?.resultHash == null) return { ...nothing('final'), dropReady: true };
  const truth = { resultHash: canonical.resultHash, bytes: canonical.bytes };
  const late = votes.filter((run) => run.verdict === 'none');
  const verdicts = late.map((run) => ({ run, verdict: same(run, truth, policy.compare) ? 'late_valid' as const : 'invalid' as const }));
  return { ...nothing('final'), verdicts, dropReady: true };
}

function undecided(policy: Policy, copies: readonly Run[], votes: readonly VoteRun[], rechecks: readonly Run[]): Decision {
  if (rechecks.length > 0) return recheck(policy, votes, rechecks);
  const blamed = copies.filter((run) => run.status === 'errored' && run.faultBlame === 'job');
  if (new Set(blamed.map((run) => run.key)).size >= policy.maxErrors) return failed(mostCommon(blamed));
  const again = copies.filter(isLost);
  const exhausted = again.find((run) => run.attempt >= (run.status === 'expired' ? MAX_LOSSES : MAX_NODE_ERRORS));
  if (exhausted) return failed(givenUp(exhausted));
  const retries = again.map((run): NewRun => ({ copy: run.copy, attempt: run.attempt + 1, purpose: 'copy', of: null }));
  const outstanding = copies.filter((run) => isOpen(run)).length + retries.length;
  const missing = policy.consensus - bestCount(policy, votes) - outstanding;
  if (missing <= 0) return { ...nothing(waitingStatus(policy, copies, votes)), newRuns: retries };
  const next = Math.max(-1, ...copies.map((run) => run.copy)) + 1;
  if (next + missing > policy.maxCopies) return hopeless(policy, votes, blamed);
  const added = Array.from({ length: missing }, (_, i): NewRun => ({ copy: next + i, attempt: 1, purpose: 'copy', of: null }));
  return { ...nothing('disputed'), newRuns: [...retries, ...added] };
}

const isOpen = ({ status }: Run): boolean => status === 'ready' || status === 'leased' || status === 'running';
/** Its node failed or went silent: the copy goes elsewhere. */
const isLost = (run: Run): boolean => run.status === 'expired' || (run.status === 'errored' && run.faultBlame !== 'job');

const bestCount = (policy: Policy, votes: readonly VoteRun[]): number => Math.max(0, ...votes.map((vote) => distinctKeys(agreeing(policy, votes, vote))));

function waitingStatus(policy: Policy, copies: readonly Run[], votes: readonly VoteRun[]): TaskStatus {
  if (copies.length > policy.redundancy) return 'disputed';
  return votes.length > 0 ? 'quorum_pending' : 'open';
}

/** Not even all copies that may ever be made could agree. With two opinions the voters are asked once more, to see what they are worth. */
function hopeless(policy: Policy, votes: readonly VoteRun[], blamed: readonly Run[]): Decision {
  if (votes.length < 2) return failed(blamed.length > 0 ? mostCommon(blamed) : noConsensus(policy, votes));
  const newRuns = votes.map((vote): NewRun => ({ copy: vote.copy, attempt: 1, purpose: 'recheck', of: vote }));
  return { ...nothing('disputed'), newRuns, dropReady: true };
}

/** Different results from nodes that each repeat (or that none repeats) are the program's doing, and nobody's fault. */
function recheck(policy: Policy, votes: readonly VoteRun[], rechecks: readonly Run[]): Decision {
  if (rechecks.some(isOpen)) return nothing('disputed');
  const unanswered = rechecks.filter((run) => run.status !== 'reported' && run.attempt < RECHECK_TRIES);
  if (unanswered.length > 0) {
    const newRuns = unanswered.map((run): NewRun => ({ copy: run.copy, attempt: run.attempt + 1, purpose: 'recheck', of: run }));
    return { ...nothing('disputed'), newRuns };
  }
  const answers = rechecks.flatMap((run) => {
    const vote = votes.find((one) => one.copy === run.copy);
    return vote && run.resultHash !== null && run.status === 'reported' ? [same(vote, { resultHash: run.resultHash, bytes: run.bytes }, policy.compare)] : [];
  });
  const alike = answers.length >= 2 && new Set(answers).size === 1;
  return failed(alike ? nondeterministic(votes, answers[0] === true) : noConsensus(policy, votes));
}

const failed = (fault: { code: string; message: string }): Decision => ({ ...nothing('failed'), dropReady: true, fault });

function nondeterministic(votes: readonly VoteRun[], repeats: boolean): { code: string; message: string } {
  const how = repeats ? 'each node gives its own result again and again' : 'no node gives the same result twice';
  return { code: 'nondeterministic', message: `The program is not deterministic across nodes: ${how} (${votesInWords(votes)}). Nobody is held to account. Fix seeds, time and order, or compare with a tolerance` };
}

function noConsensus(policy: Policy, votes: readonly VoteRun[]): { code: string; message: string } {
  const said = votes.length === 0 ? 'no node gave a result' : votesInWords(votes);
  return { code: 'no_consensus', message: `No ${policy.consensus} of at most ${policy.maxCopies} copies agree: ${said}` };
}

/** `2 said 5891b5b5…, 1 said 0263829d…`, most first. */
export function votesInWords(votes: readonly { resultHash: string }[]): string {
  const groups = [...groupBy(votes, (vote) => vote.resultHash)].toSorted(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1));
  return groups.map(([hash, group]) => `${group.length} said ${hash.slice(0, 8)}…`).join(', ');
}

function mostCommon(blamed: readonly Run[]): { code: string; message: string } {
  const groups = [...groupBy(blamed, (run) => run.faultCode ?? 'internal')].toSorted(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1));
  const [code, group] = groups[0] ?? ['internal', []];
  const words = group[0]?.faultMessage ?? code;
  return { code, message: blamed.length === 1 ? words : `${blamed.length} nodes failed at it: ${words}` };
}

function givenUp(run: Run): { code: string; message: string } {
  if (run.status === 'expired') return { code: 'nodes_lost', message: `Copy ${run.copy} was lost ${run.attempt} times: the nodes that had it went silent` };
  return { code: run.faultCode ?? 'node_error', message: `Copy ${run.copy} failed on ${run.attempt} nodes by no fault of the job; the last one: ${run.faultMessage ?? 'no reason was given'}` };
}
