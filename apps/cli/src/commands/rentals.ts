import type { RentalView } from '@muster/shared-types';
import { confirm, isCancel } from '@clack/prompts';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { duration, stateWord, table, usd } from '../output/words.js';
import { type Access, openAccess } from './access.js';
import { remember, resolveId } from './recall.js';
import { connectWords, endWords, rentalFacts, rentalName } from './rental-words.js';

export function registerRentals(program: Command, context: CliContext): void {
  program
    .command('ls')
    .description('Your rentals')
    .option('-a, --all', 'also those that have ended')
    .addHelpText('after', '\nExample:\n  muster ls --all')
    .action((options: { all?: boolean }) => ls(context, options));
  program
    .command('show')
    .description('One rental: state, cost, how to get in, what happened')
    .argument('<rental>', 'number of the last list, or an id')
    .addHelpText('after', '\nExample:\n  muster show 1')
    .action((typed: string) => show(context, typed));
  program
    .command('destroy')
    .description('End a rental for good; its disk is deleted')
    .argument('<rental>', 'number of the last list, or an id')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', '\nExample:\n  muster destroy 1')
    .action((typed: string, options: { yes?: boolean }) => destroy(context, typed, options));
}

/** Every rental id of this account, for short ids. */
async function allRentalIds(access: Access): Promise<string[]> {
  const ids: string[] = [];
  for await (const rental of access.client.all('listRentals', { query: { state: 'all', limit: 200 } })) ids.push(rental.id);
  return ids;
}

export async function findRental(context: CliContext, access: Access, typed: string): Promise<RentalView> {
  const id = await resolveId(context.config, 'rentals', typed, () => allRentalIds(access));
  return access.client.call('getRental', { params: { rental_id: id } });
}

async function ls({ io, config }: CliContext, { all }: { all?: boolean }): Promise<void> {
  const { client } = await openAccess(config);
  const rentals: RentalView[] = [];
  for await (const rental of client.all('listRentals', { query: { state: all ? 'all' : 'live' } })) rentals.push(rental);
  await remember(config, 'rentals', rentals.map((rental) => rental.id));
  if (io.json) return sayJson(io, { items: rentals });
  if (rentals.length === 0) return say(io, all ? 'You have rented nothing yet. See what is free with: muster search' : 'Nothing of yours runs. See what is free with: muster search');
  const now = Date.now();
  say(
    io,
    table(
      io,
      [{ title: '#', align: 'right' }, { title: 'RENTAL' }, { title: 'STATE' }, { title: 'MACHINE' }, { title: 'HOST' }, { title: '$/H', align: 'right' }, { title: 'COST', align: 'right' }, { title: 'RUNNING', align: 'right' }, { title: '' }],
      rentals.map((rental, index) => [
        String(index + 1),
        rentalName(rental),
        stateWord(io, rental.status),
        rental.num_gpus > 0 ? `${rental.num_gpus}× ${rental.gpu_name}` : `${rental.cpu_cores} vCPU`,
        rental.node_name,
        usd(rental.billing.stored_since ? rental.billing.stopped_dph : rental.billing.dph_total).slice(1),
        usd(rental.billing.cost_usd),
        rental.start_time ? duration(ranS(rental, now)) : '–',
        rental.status === 'starting' ? (rental.phase ?? '') : (rental.fault?.message ?? endWords(rental)),
      ]),
    ),
  );
}

/** Seconds at the whole rate: what is settled, and for one that runs what has come since. */
function ranS({ status, billing }: RentalView, nowMs: number): number {
  const since = status === 'running' && billing.billed_through ? (nowMs - Date.parse(billing.billed_through)) / 1000 : 0;
  return billing.billed_seconds + Math.max(0, since);
}

async function show(context: CliContext, typed: string): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const rental = await findRental(context, access, typed);
  const events = await access.client.call('listRentalEvents', { params: { rental_id: rental.id }, query: { limit: 20 } });
  if (io.json) return sayJson(io, { ...rental, events: events.items });
  say(io, rentalFacts(io, rental, Date.now()));
  if (events.items.length > 0) {
    say(io, `\n${table(io, [{ title: 'WHEN' }, { title: 'WHAT HAPPENED' }], events.items.map((event) => [new Date(event.at).toLocaleTimeString('en-GB'), event.message]))}`);
  }
  if (rental.status === 'running') say(io, `\n${connectWords(io, rental, Number(typed) || 1)}`);
}

async function destroy(context: CliContext, typed: string, { yes }: { yes?: boolean }): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const rental = await findRental(context, access, typed);
  if (!yes && io.isTty && !io.json) {
    const answer = await confirm({ message: `End ${rentalName(rental)} and delete its disk?` });
    if (isCancel(answer) || !answer) throw new CliError('Nothing was ended.', EXIT.refused);
  }
  const ended = await access.client.call('destroyRental', { params: { rental_id: rental.id } });
  if (io.json) return sayJson(io, ended);
  const { billing } = ended;
  say(io, `${io.paint.green('✓')} ${rentalName(ended)} has ended. ${ended.start_time ? `${duration(billing.billed_seconds)} at ${usd(billing.dph_total)}/h: ${io.paint.bold(usd(billing.cost_usd))}` : 'It never ran and cost nothing.'}`);
}
