import { confirm, isCancel } from '@clack/prompts';
import type { ExecutionView, JobSummary, JobView } from '@muster/shared-types';
import type { Command } from 'commander';
import { type Access, openAccess } from '../commands/access.js';
import { remember, resolveId } from '../commands/recall.js';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say, sayJson } from '../output/io.js';
import { usd } from '../output/words.js';
import { executionsTable, hasEnded, jobFacts, jobName, jobsTable, tasksTable } from './job-words.js';
import { executionsOf, tasksOf } from './report.js';

interface ListOptions {
  status?: string;
  name?: string;
  limit: string;
}

interface GetOptions {
  executions?: boolean;
  logs?: boolean;
  votes?: boolean;
}

export function registerJobs(program: Command, context: CliContext): void {
  program
    .command('list')
    .description('Your jobs, newest first')
    .option('--status <state>', 'pending, scheduled, running, verifying, completed, failed or cancelled')
    .option('--name <text>', 'only those with this in their name')
    .option('--limit <n>', 'at most this many', '30')
    .addHelpText('after', '\nExample:\n  muster list --status running')
    .action((options: ListOptions) => list(context, options));
  program
    .command('get')
    .description('One job: state, proof, money, and every run of it')
    .argument('<job>', 'number of the last list, or an id')
    .option('--executions', 'every run of it, with its verdict and pay')
    .option('--logs', 'what the runs printed')
    .option('--votes', 'per task, which nodes gave which result')
    .addHelpText('after', '\nExample:\n  muster get 1 --executions --votes')
    .action((typed: string, options: GetOptions) => get(context, typed, options));
  program
    .command('cancel')
    .description('Stop a job; what was not used is refunded at once')
    .argument('<job>', 'number of the last list, or an id')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  muster cancel 1')
    .action((typed: string, options: { yes?: boolean }) => cancel(context, typed, options));
}

async function allJobIds(access: Access): Promise<string[]> {
  const ids: string[] = [];
  for await (const job of access.client.all('listJobs', { query: { limit: 200 } })) ids.push(job.id);
  return ids;
}

export const findJobId = (context: CliContext, access: Access, typed: string): Promise<string> => resolveId(context.config, 'jobs', typed, () => allJobIds(access));

export async function findJob(context: CliContext, access: Access, typed: string): Promise<JobView> {
  return access.client.call('getJob', { params: { job_id: await findJobId(context, access, typed) } });
}

async function list({ io, config }: CliContext, { status, name, limit }: ListOptions): Promise<void> {
  const { client } = await openAccess(config);
  const query = { limit: limit as unknown as number, ...(status && { status: status as JobSummary['status'] }), ...(name && { name }) };
  const page = await client.call('listJobs', { query });
  await remember(config, 'jobs', page.items.map((job) => job.id));
  if (io.json) return sayJson(io, page);
  if (page.items.length === 0) return say(io, status || name ? 'No job of yours is like that. See all with: muster list' : 'No jobs yet. Submit one with: muster submit --image workspace --cmd echo --cmd hello');
  say(io, jobsTable(io, page.items));
  if (page.next) say(io, `\nMore of them with: muster list --limit ${Math.min(200, Number(limit) * 2)}`);
}

async function get(context: CliContext, typed: string, options: GetOptions): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const job = await findJob(context, access, typed);
  const tasks = options.votes ? await tasksOf(access, job.id) : undefined;
  const executions = options.executions || options.logs ? await executionsOf(access, job.id) : undefined;
  // `tasks` of a job is its plan, so the tasks themselves have another name.
  if (io.json) return sayJson(io, { ...job, ...(tasks && { task_list: tasks }), ...(executions && { executions }) });
  say(io, jobFacts(io, job));
  if (tasks) say(io, `\n${tasksTable(io, tasks)}`);
  if (executions && options.executions) say(io, `\n${executionsTable(io, executions)}`);
  if (executions && options.logs) sayLogs(io, executions);
  if (hasEnded(job) && job.status === 'completed') say(io, `\n${io.paint.bold(`muster result ${/^\d+$/.test(typed) ? typed : job.id}`)}`);
}

function sayLogs(io: Io, executions: readonly ExecutionView[]): void {
  for (const run of executions) {
    say(io, `\n${io.paint.bold(`task ${run.task_index}, copy ${run.copy}, try ${run.attempt}`)} ${io.paint.dim(`${run.node_name ?? 'no node'}, ${run.status}`)}`);
    say(io, run.logs === '' ? io.paint.dim('(nothing)') : run.logs.replace(/\n$/, ''));
  }
}

async function cancel(context: CliContext, typed: string, { yes }: { yes?: boolean }): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const job = await findJob(context, access, typed);
  if (!yes && io.isTty && !io.json) {
    const answer = await confirm({ message: `Cancel ${jobName(job)} (${job.name})?` });
    if (isCancel(answer) || !answer) throw new CliError('Nothing was cancelled.', EXIT.refused);
  }
  const cancelled = await access.client.call('cancelJob', { params: { job_id: job.id } });
  if (io.json) return sayJson(io, cancelled);
  say(io, `${io.paint.green('✓')} ${jobName(cancelled)} is cancelled: ${usd(cancelled.paid_usd)} paid, ${usd(cancelled.refunded_usd)} refunded.`);
}
