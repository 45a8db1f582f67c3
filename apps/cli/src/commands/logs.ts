import { setTimeout as sleep } from 'node:timers/promises';
import { UnreachableError } from '@muster/client';
import { ProblemError, type OperationOutput, type operations } from '@muster/shared-types';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { sayJson } from '../output/io.js';
import { type Access, openAccess } from './access.js';
import { findRental } from './rentals.js';

type Logs = OperationOutput<typeof operations.getRentalLogs>;

/** How long one call waits for more. */
const WAIT_S = 15;
const AGAIN_MS = 1_000;

export function registerLogs(program: Command, context: CliContext): void {
  program
    .command('logs')
    .description('What the instance printed')
    .argument('<rental>', 'number of the last list, or an id')
    .option('-n, --tail <lines>', 'how many lines', '200')
    .option('-f, --follow', 'go on with what it prints from now on; with --json one document a line')
    .addHelpText('after', '\nExample:\n  muster logs 1 --tail 50\n  muster logs -f 1')
    .action((typed: string, options: { tail: string; follow?: boolean }) => logs(context, typed, options));
}

async function logs(context: CliContext, typed: string, { tail, follow: isFollowing }: { tail: string; follow?: boolean }): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const { id } = await findRental(context, access, typed);
  const answer = await access.client.call('getRentalLogs', { params: { rental_id: id }, query: { tail_lines: tail as unknown as number } });
  if (isFollowing) return await follow(context, access, id, answer);
  if (io.json) return sayJson(io, { text: answer.text, truncated: answer.truncated });
  io.stdout.write(answer.text.endsWith('\n') || answer.text === '' ? answer.text : `${answer.text}\n`);
}

/** Until the rental has no logs any more, or somebody ends us. A market or machine that is away is waited for. */
async function follow({ io }: CliContext, access: Access, rentalId: string, first: Logs): Promise<void> {
  const note = (words: string): unknown => io.stderr.write(`${io.paint.dim(words)}\n`);
  let waiting = false;
  for (let answer: Logs | null = first, cursor = first.cursor; ; answer = null) {
    if (cursor === null) throw new CliError('The agent of this machine is too old to be followed.', EXIT.refused, 'Its host has to update it.');
    const next: Logs | Error = answer ?? (await more(access, rentalId, cursor));
    if (next instanceof Error) {
      if (isOver(next)) return void note('It runs no more.');
      if (!waiting) note(`Waiting: ${next.message}`);
      waiting = true;
      await sleep(AGAIN_MS);
      continue;
    }
    waiting = false;
    if (next.gap) note('Some of it was lost: it came faster than it was read.');
    if (next.text !== '') io.stdout.write(io.json ? `${JSON.stringify({ text: next.text, gap: next.gap })}\n` : next.text);
    cursor = next.cursor;
  }
}

/** What cannot be mended by waiting is thrown; the end of the rental and a market that is away come back as errors. */
async function more(access: Access, rentalId: string, after: string): Promise<Logs | Error> {
  try {
    return await access.client.call('getRentalLogs', { params: { rental_id: rentalId }, query: { tail_lines: 5_000, after, wait_s: WAIT_S } });
  } catch (error) {
    if (error instanceof UnreachableError) return error;
    if (error instanceof ProblemError && (error.problem.retryable || isOver(error))) return error;
    throw error;
  }
}

const isOver = (error: Error): boolean => error instanceof ProblemError && error.problem.code === 'action_not_allowed';
