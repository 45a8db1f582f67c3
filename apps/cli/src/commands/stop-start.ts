import { randomUUID } from 'node:crypto';
import { confirm, isCancel } from '@clack/prompts';
import { formatUsd, parseUsd, type RentalView } from '@muster/shared-types';
import type { MarketClient } from '@muster/client';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { duration, seconds, usd, when } from '../output/words.js';
import { openAccess } from './access.js';
import { rememberFirst } from './recall.js';
import { connectWords, rentalName } from './rental-words.js';
import { findRental } from './rentals.js';
import { waitForRunning } from './wait-for-running.js';

const POLL_MS = 150;
/** A machine gives its container ten seconds; one that is silent takes as long as it is silent. */
const PATIENCE_MS = 60_000;

interface StopOptions {
  yes?: boolean;
  wait?: boolean;
}

export function registerStopStart(program: Command, context: CliContext): void {
  program
    .command('stop')
    .description('Stop a rental: /workspace is kept and billed, everything else is freed')
    .argument('<rental>', 'number of the last list, or an id')
    .option('-y, --yes', 'do not ask')
    .option('--no-wait', 'return as soon as it is told to stop')
    .addHelpText('after', '\nExample:\n  muster stop 1')
    .action((typed: string, options: StopOptions) => stop(context, typed, options));
  program
    .command('start')
    .description('Start a stopped rental again: same machine, same disk, same address, same price')
    .argument('<rental>', 'number of the last list, or an id')
    .option('--no-wait', 'return as soon as it is told to start')
    .addHelpText('after', '\nExample:\n  muster start 1')
    .action((typed: string, options: StopOptions) => start(context, typed, options));
}

async function stop(context: CliContext, typed: string, { yes, wait }: StopOptions): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const rental = await findRental(context, access, typed);
  if (!yes && io.isTty && !io.json) {
    const answer = await confirm({ message: `Stop ${rentalName(rental)}? /workspace is kept; what was installed or written elsewhere in it is lost.` });
    if (isCancel(answer) || !answer) throw new CliError('Nothing was stopped.', EXIT.refused);
  }
  const startedMs = performance.now();
  const told = await access.client.call('stopRental', { params: { rental_id: rental.id } });
  const stopped = wait === false ? told : await untilStopped(access.client, told);
  if (io.json) return sayJson(io, stopped);
  const took = stopped.status === 'stopped' ? ` after ${seconds(performance.now() - startedMs)}` : '';
  say(io, `${io.paint.green('✓')} ${rentalName(stopped)} is ${stopped.status}${took}. ${savesWords(stopped)}`);
  say(io, `Start it again with: ${io.paint.bold(`muster start ${typed}`)}`);
}

/** What a stop is worth, and what is left to pay. */
export function savesWords({ billing, disk_gb: diskGb }: Pick<RentalView, 'billing' | 'disk_gb'>): string {
  const saved = formatUsd(parseUsd(billing.dph_total) - parseUsd(billing.stopped_dph));
  const until = billing.deadline_at ? `, until ${when(billing.deadline_at)} at most` : '';
  return `That saves ${usd(saved)}/h; its ${diskGb} GB are kept for ${usd(billing.stopped_dph)}/h${until}. It ran ${duration(billing.billed_seconds)} and cost ${usd(billing.cost_usd)} so far.`;
}

async function untilStopped(client: MarketClient, rental: RentalView): Promise<RentalView> {
  const startedMs = performance.now();
  for (let now = rental; ; now = await client.call('getRental', { params: { rental_id: rental.id } })) {
    if (now.status === 'stopped') return now;
    if (now.status !== 'stopping' || now.end_reason !== null) throw new CliError(`${rentalName(now)} is ${now.status}: ${now.fault?.message ?? 'it was ended meanwhile'}`, EXIT.failed);
    if (performance.now() - startedMs > PATIENCE_MS) {
      throw new CliError(`${rentalName(now)} is told to stop, and its machine has not answered yet.`, EXIT.timedOut, 'The whole rate is no longer billed. Look again with: muster show 1');
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

async function start(context: CliContext, typed: string, { wait }: StopOptions): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const rental = await findRental(context, access, typed);
  const told = await access.client.call('startRental', { idempotencyKey: randomUUID(), params: { rental_id: rental.id } });
  await rememberFirst(config, 'rentals', told.id);
  if (wait === false) return io.json ? sayJson(io, told) : say(io, `${rentalName(told)} is number 1. Follow it with: ${io.paint.bold('muster show 1')}`);
  const running = await waitForRunning(io, access.client, told);
  if (io.json) return sayJson(io, running);
  say(io, `\n${connectWords(io, running, 1)}`);
}
