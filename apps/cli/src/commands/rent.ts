import { randomUUID } from 'node:crypto';
import { confirm, isCancel } from '@clack/prompts';
import { parseDurationS, type Quote, type RentalView } from '@muster/shared-types';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say, sayJson } from '../output/io.js';
import { duration, facts, gib, secondsUntil, usd, when } from '../output/words.js';
import { type Access, openAccess } from './access.js';
import { rememberIdentity } from './connection-files.js';
import { recalled, rememberFirst, resolveId } from './recall.js';
import { connectWords, rentalName } from './rental-words.js';
import { machineOf } from './search.js';
import { chooseKeys, type KeyChoice } from './ssh-keys.js';
import { waitForRunning } from './wait-for-running.js';

interface RentOptions {
  template: string;
  sshKey?: string;
  maxSpend?: string;
  hours?: string;
  until?: string;
  disk?: string;
  env: Record<string, string>;
  onstart?: string;
  yes?: boolean;
  wait?: boolean;
}

export function registerRent(program: Command, context: CliContext): void {
  program
    .command('rent')
    .description('Rent an offer of the last search: quote, confirm, progress, commands to paste')
    .argument('<offer>', 'number of the last search, or an offer id')
    .option('--template <name>', 'what to start', 'workspace')
    .option('--ssh-key <file.pub>', 'public key to let in; without any key one is made and registered')
    .option('--max-spend <usd>', 'never charge more than this')
    .option('--hours <n>', 'end after this many hours')
    .option('--until <time>', 'end at this time (RFC 3339)')
    .option('--disk <gb>', 'size of /workspace in GB')
    .option('--env <name=value>', 'variable for the instance; may be repeated', collectEnv, {})
    .option('--onstart <text>', 'shell commands to run once after the start')
    .option('-y, --yes', 'rent without asking')
    .option('--wait', 'wait until it runs (default)')
    .option('--no-wait', 'return as soon as it is rented')
    .addHelpText('after', '\nExample:\n  muster rent 1 --max-spend 1 --hours 2')
    .action((offer: string, options: RentOptions) => rent(context, offer, options));
}

function collectEnv(text: string, before: Record<string, string>): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new CliError(`--env ${text} is not NAME=VALUE.`, EXIT.usage);
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

async function rent(context: CliContext, typed: string, options: RentOptions): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const offerId = await offerOf(context, typed);
  const runUntil = endOf(options);
  const terms = {
    offer_id: offerId,
    template: options.template,
    ...(options.disk && { disk_gb: Number(options.disk) }),
    ...(options.maxSpend && { max_spend_usd: options.maxSpend }),
    ...(runUntil && { run_until: runUntil }),
  };
  const quote = await access.client.call('createQuote', { body: terms });
  say(io, quoteWords(io, quote));
  if (!(await agreed(io, quote, options))) throw new CliError('Not rented.', EXIT.refused);
  const keys: KeyChoice = quote.ssh ? await chooseKeys(config, access, options.sshKey) : { ids: [], identity: null, made: null };
  if (keys.made) say(io, `Made an SSH key for you: ${keys.made}`);
  const rental = await access.client.call('createRental', {
    idempotencyKey: randomUUID(),
    body: {
      ...terms,
      expected_dph_total: quote.dph_total,
      env: options.env,
      ...(quote.ssh && { ssh_key_ids: keys.ids }),
      ...(options.onstart !== undefined && { onstart: options.onstart }),
    },
  });
  await rememberFirst(config, 'rentals', rental.id);
  await rememberIdentity(config, rental.id, keys.identity);
  await report(context, access, rental, options.wait !== false);
}

async function offerOf({ config }: CliContext, typed: string): Promise<string> {
  if (/^[0-9a-f-]{36}\.[cg]/.test(typed)) return typed;
  return resolveId(config, 'offers', typed, () => recalled(config, 'offers'));
}

function endOf({ hours, until }: RentOptions): string | undefined {
  if (until !== undefined) return until;
  if (hours === undefined) return undefined;
  const seconds = /^\d+(\.\d+)?$/.test(hours) ? Number(hours) * 3600 : parseDurationS(hours);
  if (!seconds) throw new CliError(`--hours ${hours} is not a number of hours.`, EXIT.usage, 'For example: --hours 2');
  return new Date(Date.now() + seconds * 1000).toISOString();
}

function quoteWords(io: Io, quote: Quote): string {
  const { offer } = quote;
  const parts = quote.parts.map((part) => `${part.name} ${Number(part.quantity.toFixed(2))} × ${usd(part.unit_price_usd)}/${part.unit} = ${usd(part.usd_per_hour)}`).join(' · ');
  const lines = facts(io, [
    ['machine', `${machineOf(offer)} on ${offer.node_name}: ${offer.cpu_cores} vCPU, ${gib(offer.cpu_ram_mb)} RAM, ${quote.disk_gb} GB disk`],
    ['rate', `${io.paint.bold(`${usd(quote.dph_total)}/h`)}  ${io.paint.dim(parts)}`],
    ['stopped', `${usd(quote.stopped_dph)}/h: a stop keeps /workspace (${quote.disk_gb} GB) and nothing else`],
    ['at most', `you cannot be charged more than ${io.paint.bold(usd(quote.max_charge_usd))}`],
    ['ends', `${when(quote.ends_at)}, in ${duration(secondsUntil(quote.ends_at, Date.now()))} (${quote.ends_by.replace('_', ' ')})`],
    ['starts in', `about ${duration(Math.ceil(quote.eta_s))}${quote.image_present ? '' : ', the image has to be fetched first'}`],
    ...quote.warnings.map((warning) => ['note', warning] as const),
  ]);
  return lines;
}

async function agreed(io: Io, quote: Quote, { yes }: RentOptions): Promise<boolean> {
  if (yes) return true;
  if (!io.isTty || io.json) throw new CliError('Nobody is here to confirm the price.', EXIT.usage, 'Add --yes to rent at the quoted rate.');
  const answer = await confirm({ message: `Rent for ${usd(quote.dph_total)}/h?` });
  return !isCancel(answer) && answer;
}

async function report(context: CliContext, access: Access, rental: RentalView, wait: boolean): Promise<void> {
  const { io } = context;
  if (!wait) {
    if (io.json) return sayJson(io, rental);
    return say(io, `${rentalName(rental)} is number 1. Follow it with: ${io.paint.bold('muster show 1')}`);
  }
  const running = await waitForRunning(io, access.client, rental);
  if (io.json) return sayJson(io, running);
  say(io, `\n${connectWords(io, running, 1)}`);
}
