import { join } from 'node:path';
import { parseUsd } from '@muster/shared-types';
import { z } from 'zod';
import type { CliContext } from '../context.js';
import { count, deltaWords, escrowOf, executionsTable, shortHash, votesWords } from '../jobs/job-words.js';
import { REPOSITORY } from '../market/layout.js';
import { say } from '../output/io.js';
import { duration, seconds, usd } from '../output/words.js';
import { type DemoAccount, type DemoNode, JobsMarket, type RunJob, sumUsd } from './jobs-market.js';
import { Liar } from './liar.js';
import { tellSelf } from './own-market.js';
import { must, type Transcript } from './transcript.js';

/** SHA-256 of `hello` and a line feed. */
const HELLO_SHA256 = '5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03';
const HONEST = 3;
const TRIES = 3;
/** A job that takes a moment, so that nobody's copy is unneeded before it was taken. */
const SLOW_HELLO = ['sh', '-c', 'sleep 2; echo hello'];

interface JobFigures {
  name: string;
  job_id: string;
  completed_ms: number;
  executions: number;
  paid_usd: string;
  refunded_usd: string;
}

/** The story of verified jobs, step by step; the first claim that is not true ends it. */
export class JobsStory {
  private market!: JobsMarket;
  private submitter!: DemoAccount;
  private nodes: DemoNode[] = [];
  private readonly jobs: JobFigures[] = [];

  constructor(
    private readonly context: CliContext,
    private readonly transcript: Transcript,
    private readonly folder: string,
  ) {}

  async tell(): Promise<Record<string, unknown>> {
    const { transcript } = this;
    const startedAt = performance.now();
    this.market = await JobsMarket.open(this.context);
    this.nodes = await transcript.step('three nodes of three owners', () => this.threeNodes());
    this.submitter = await transcript.step('an account that owns none of them', () => this.account());
    const before = await this.market.reputations(this.nodes);
    const balance = await this.balance();
    await transcript.step('echo hello, 2 of 3 must agree', () => this.hello());
    await transcript.step('the same with a liar among three', () => this.withLiar());
    await transcript.step('examples/hash-verify', () => this.example('hash-verify'));
    await transcript.step('examples/image-process', () => this.example('image-process'));
    const paid = await transcript.step('money adds up', () => this.money(balance));
    const reputation = { before, after: await this.market.reputations(this.nodes) };
    return this.end({ total_ms: Math.round(performance.now() - startedAt), jobs: this.jobs, paid_usd: paid, reputation });
  }

  private async threeNodes() {
    const all = await this.market.readyNodes(HONEST);
    const value = [...new Map(all.map((node) => [node.owner.email, node])).values()].slice(0, HONEST);
    await this.market.listOnly(all, value);
    return { value, seen: value.map(({ name, owner }) => `${name} of ${owner.email}`).join(', ') };
  }

  private async account() {
    const value = await this.market.submitter();
    return { value, seen: `${value.email}, ${usd((await value.client.call('getBalance', {})).available_usd)}` };
  }

  private balance = async (): Promise<bigint> => parseUsd((await this.submitter.client.call('getBalance', {})).available_usd);

  private async hello() {
    const before = await this.market.reputations(this.nodes);
    const ran = await this.untilAllTaken('hello', ['echo', 'hello']);
    must(ran.job.status === 'completed' && ran.job.result === 'hello\n', `It ended ${ran.job.status}: ${ran.job.fault?.message ?? JSON.stringify(ran.job.result)}.`);
    must(ran.job.result_hash === HELLO_SHA256, `Its result hashes to ${ran.job.result_hash}.`);
    this.mustScore(ran, { valid: HONEST, invalid: 0 });
    await this.sayReputations(this.nodes, before);
    return { value: ran, seen: `${shortHash(HELLO_SHA256)}…, ${seconds(ran.completedMs)} from submission to result` };
  }

  /** Two honest nodes and the liar: nobody else is on the market meanwhile, so that one of the three copies is his. */
  private async withLiar() {
    const liar = await Liar.start(this.market);
    try {
      const three = [...this.nodes.slice(0, HONEST - 1), liar.node];
      await this.market.listOnly(this.nodes, three);
      const before = await this.market.reputations(three);
      const ran = await this.run('hello, with a liar', SLOW_HELLO);
      must(ran.job.result_hash === HELLO_SHA256, `The liar won: ${ran.job.result}`);
      this.mustScore(ran, { valid: HONEST - 1, invalid: 1 });
      const lie = ran.executions.find((run) => run.verdict === 'invalid');
      must(lie?.node_id === liar.node.id && parseUsd(lie.paid_usd) === 0n, 'The copy that was found invalid is not the unpaid liar’s.');
      await this.sayReputations(three, before);
      return { value: ran, seen: `the right result; the liar is outvoted, unpaid and ${deltaWords(lie.reputation_delta)}` };
    } finally {
      await liar.stop();
      await this.market.listOnly(this.nodes, this.nodes);
    }
  }

  /** A copy that nobody had taken when two agreed already is not needed, and nobody's reputation moves: then once more. */
  private async untilAllTaken(name: string, command: string[]): Promise<RunJob> {
    for (let left = TRIES; ; left -= 1) {
      const ran = await this.run(name, command);
      if (left === 1 || ran.executions.every((execution) => execution.status !== 'unneeded')) return ran;
    }
  }

  private async run(name: string, command: string[]): Promise<RunJob> {
    const ran = await this.market.run(this.submitter, { name, docker_image: 'workspace', command, redundancy: HONEST, consensus: HONEST - 1, distinct_by: 'owner' });
    this.note(ran);
    return ran;
  }

  /** Votes and runs as they happened, and what they cost. */
  private note({ job, tasks, executions, completedMs }: RunJob): void {
    const { io } = this.context;
    this.jobs.push({ name: job.name, job_id: job.id, completed_ms: Math.round(completedMs), executions: executions.length, paid_usd: job.paid_usd, refunded_usd: job.refunded_usd });
    say(io);
    for (const task of tasks.slice(0, HONEST)) say(io, `  ${job.name}${tasks.length > 1 ? `, task ${task.index}` : ''}: ${votesWords(io, task.votes)}`);
    if (tasks.length > HONEST) say(io, `  … and ${tasks.length - HONEST} more tasks`);
    if (tasks.length === 1) say(io, executionsTable(io, executions).replace(/^/gm, '  '));
    say(io, `  ${usd(job.paid_usd)} paid and ${usd(job.refunded_usd)} refunded of ${usd(job.held_usd)} held; ${seconds(completedMs)}`);
  }

  private async sayReputations(nodes: readonly DemoNode[], before: Record<string, number>): Promise<void> {
    const after = await this.market.reputations(nodes);
    say(this.context.io, `  reputation: ${nodes.map(({ name }) => `${name} ${before[name]} → ${after[name]}`).join(', ')}\n`);
  }

  /** Exactly +5 for each that agreed and −10 for each that did not, as events and for nodes of others only. */
  private mustScore({ executions }: RunJob, { valid, invalid }: { valid: number; invalid: number }): void {
    const deltas = executions.filter(({ status }) => status === 'reported').map(({ reputation_delta }) => reputation_delta).toSorted((a, b) => b - a);
    const wanted = [...Array.from({ length: valid }, () => 5), ...Array.from({ length: invalid }, () => -10)];
    must(JSON.stringify(deltas) === JSON.stringify(wanted), `Reputation moved by ${deltas.map(deltaWords).join(', ')} and not by ${wanted.map(deltaWords).join(', ')}.`);
  }

  /** As a person would run it: through the command line, from its file. */
  private async example(name: string) {
    const startedAt = performance.now();
    const env = { ...this.context.config.own, MUSTER_URL: this.market.url, MUSTER_API_KEY: this.submitter.apiKey };
    const submitted = await tellSelf(['submit', '-f', join(REPOSITORY, 'examples', name, 'job.yaml'), '--yes', '--wait', '--json'], env);
    must(submitted.code === 0, `submit ended with ${submitted.code}: ${submitted.stderr.trim()}`);
    const { id } = z.object({ id: z.uuid() }).parse(JSON.parse(submitted.stdout));
    const ran = await this.market.settled(this.submitter, id, performance.now() - startedAt);
    this.note(ran);
    const folder = join(this.folder, name);
    const fetched = await tellSelf(['result', id, '-o', folder, '--json'], env);
    must(fetched.code === 0, `result ended with ${fetched.code}: ${fetched.stderr.trim()}`);
    must(ran.tasks.every((task) => task.status === 'final'), 'Not every task is final.');
    must(ran.executions.every((run) => run.verdict !== 'invalid'), 'Honest nodes did not agree on every task.');
    const valid = ran.executions.filter((run) => run.verdict === 'valid' || run.verdict === 'late_valid').length;
    return { value: ran, seen: `${count(ran.tasks.length, 'task')}, ${valid} valid executions, results fetched and checked, ${seconds(ran.completedMs)}` };
  }

  /** What left the submitter is what the jobs say was paid, no escrow is left, and every invariant of the ledger holds. */
  private async money(balanceBefore: bigint) {
    const ids = this.jobs.map((job) => job.job_id);
    const jobs = await Promise.all(ids.map((id) => this.submitter.client.call('getJob', { params: { job_id: id } })));
    must(jobs.every((job) => escrowOf(job) === 0n), 'Money is left in the escrow of a job that has ended.');
    const paid = sumUsd(jobs.map((job) => job.paid_usd));
    const spent = balanceBefore - (await this.balance());
    must(spent === parseUsd(paid), `The submitter spent ${spent} micro-dollars, and ${paid} was paid.`);
    const ledger = await this.market.operator.client.call('checkLedger', {});
    must(ledger.ok, `The ledger does not add up: ${ledger.checks.filter(({ ok }) => !ok).map(({ title }) => title).join(', ')}`);
    return { value: paid, seen: `${usd(paid)} paid to hosts by ${ids.length} jobs, no escrow left, ${ledger.checks.length} checks of the ledger hold` };
  }

  private end(figures: { total_ms: number; jobs: JobFigures[]; paid_usd: string; reputation: unknown }): Record<string, unknown> {
    const { io } = this.context;
    say(io, `\n${io.paint.green('✓')} The story is true: ${figures.jobs.length} jobs on machines of strangers for ${usd(figures.paid_usd)}, in ${duration(figures.total_ms / 1000)}.`);
    say(io, io.paint.dim(`  What agreement proves and what not: docs/verification.md`));
    return figures;
  }
}
