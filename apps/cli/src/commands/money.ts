import { parseUsd, type StatementLine } from '@muster/shared-types';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { say, sayJson } from '../output/io.js';
import { duration, facts, secondsUntil, table, usd, when } from '../output/words.js';
import { openAccess } from './access.js';
import { shortId } from './recall.js';
import { findRental } from './rentals.js';

export function registerMoney(program: Command, context: CliContext): void {
  program
    .command('balance')
    .description('Money now, what it burns, and when it reaches zero')
    .addHelpText('after', '\nExample:\n  muster balance')
    .action(() => balance(context));
  program
    .command('statement')
    .description('Settled money, newest first')
    .option('--rental <rental>', 'only this rental')
    .option('--limit <n>', 'at most this many lines', '50')
    .addHelpText('after', '\nExample:\n  muster statement --rental 1')
    .action((options: { rental?: string; limit: string }) => statement(context, options));
}

async function balance({ io, config }: CliContext): Promise<void> {
  const { client } = await openAccess(config);
  const view = await client.call('getBalance', {});
  if (io.json) return sayJson(io, view);
  say(
    io,
    facts(io, [
      ['available', io.paint.bold(usd(view.available_usd))],
      ['settled', usd(view.balance_usd)],
      ['burn', `${usd(view.burn_usd_per_hour)}/h`],
      ['zero', view.zero_at ? `${when(view.zero_at)}, in ${duration(secondsUntil(view.zero_at, Date.parse(view.as_of)))}` : parseUsd(view.burn_usd_per_hour) > 0n ? 'not before what runs has ended' : 'nothing runs'],
      ['earned as a host', usd(view.earnings_usd)],
    ]),
  );
}

async function statement(context: CliContext, { rental, limit }: { rental?: string; limit: string }): Promise<void> {
  const { io, config } = context;
  const access = await openAccess(config);
  const rentalId = rental === undefined ? undefined : (await findRental(context, access, rental)).id;
  const page = await access.client.call('listStatement', { query: { limit: limit as unknown as number, ...(rentalId && { rental_id: rentalId }) } });
  if (io.json) return sayJson(io, page);
  if (page.items.length === 0) return say(io, 'Nothing has been settled yet. Running rentals settle every hour and at their end.');
  say(io, table(io, [{ title: 'WHEN' }, { title: 'AMOUNT', align: 'right' }, { title: 'FOR' }, { title: 'RENTAL' }], page.items.map((line) => rowOf(line))));
}

/** What moved, before the details that the market wrote down. */
function lineWords({ kind, memo, type }: StatementLine): string {
  const what = kind === 'rental' && type === 'CREDIT' ? 'earned as host' : kind;
  return memo ? `${what}, ${memo}` : what;
}

const rowOf = (line: StatementLine): string[] => [
  when(line.at),
  `${line.type === 'CREDIT' ? '+' : '−'}${usd(line.amount_usd)}`,
  lineWords(line),
  line.reference_id ? shortId('rental', line.reference_id) : '',
];
