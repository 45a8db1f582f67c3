import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionView, JobView, TaskView } from '@muster/shared-types';
import type { Access } from '../commands/access.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say, sayJson } from '../output/io.js';
import { usd } from '../output/words.js';
import { escrowOf, executionsTable, jobName, tookWords, votesWords } from './job-words.js';

/** With more tasks than this, a list of every execution is no longer what a person reads. */
const FEW_TASKS = 3;
const LONGEST_RESULT = 4_000;

/** A result is there before the last copies are judged and the rest of the money is back; a person may wait so long for them. */
const SETTLE_MS = 3_000;

/** What a job came to: votes, money, result. Throws when it did not complete, so that the exit code tells. */
export async function reportEnd(io: Io, access: Access, ended: JobView): Promise<void> {
  const job = await settledJob(access, ended);
  if (io.json) sayJson(io, job);
  else if (job.progress.tasks <= FEW_TASKS) await sayEvidence(io, access, job);
  const money = `${usd(job.paid_usd)} paid, ${usd(job.refunded_usd)} refunded`;
  if (job.status === 'cancelled') throw new CliError(`${jobName(job)} was cancelled: ${money}.`, EXIT.refused);
  if (job.status === 'failed') throw new CliError(`${jobName(job)} failed: ${job.fault?.message ?? job.error_message ?? ''} ${money}.`, EXIT.failed, 'See every execution with: muster get 1 --executions --logs --votes');
  say(io, `${io.paint.green('✓')} ${jobName(job)} completed in ${tookWords(job)}: ${money}`);
  sayResult(io, job);
}

async function settledJob({ client }: Access, ended: JobView): Promise<JobView> {
  const until = performance.now() + SETTLE_MS;
  for (let job = ended; ; job = await client.call('getJob', { params: { job_id: ended.id } })) {
    if ((escrowOf(job) === 0n && job.progress.executions_running === 0) || performance.now() > until) return job;
    await sleep(100);
  }
}

async function sayEvidence(io: Io, access: Access, job: JobView): Promise<void> {
  const [tasks, executions] = await Promise.all([tasksOf(access, job.id), executionsOf(access, job.id)]);
  for (const task of tasks) if (task.votes.length > 0) say(io, `${tasks.length > 1 ? `task ${task.index}: ` : ''}votes ${votesWords(io, task.votes)}`);
  say(io, executionsTable(io, executions));
}

function sayResult(io: Io, job: JobView): void {
  if (job.result === null) return say(io, `Its result is a folder or many parts: ${io.paint.bold('muster result 1 -o DIR')}`);
  if (job.result_encoding === 'base64' || job.result.length > LONGEST_RESULT) return say(io, `Its result is ${job.result_encoding === 'base64' ? 'binary' : 'long'}: ${io.paint.bold('muster result 1 -o DIR')}`);
  say(io, `\n${job.result.replace(/\n$/, '')}`);
}

export async function tasksOf(access: Access, jobId: string): Promise<TaskView[]> {
  const tasks: TaskView[] = [];
  for await (const task of access.client.all('listTasks', { params: { job_id: jobId }, query: { limit: 200 } })) tasks.push(task);
  return tasks;
}

export async function executionsOf(access: Access, jobId: string): Promise<ExecutionView[]> {
  const executions: ExecutionView[] = [];
  for await (const execution of access.client.all('listExecutions', { params: { job_id: jobId }, query: { limit: 200 } })) executions.push(execution);
  return executions.toSorted((a, b) => a.task_index - b.task_index || a.copy - b.copy || a.attempt - b.attempt);
}
