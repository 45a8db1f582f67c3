import { say, type Io } from '../output/io.js';
import { facts, gib, seconds, table, usd } from '../output/words.js';
import type { LiveRental, MarketEvent, Places } from './events.js';

const NAME_WIDTH = 10;
const DETAIL_WIDTH = 48;

/** Says what happens in a market, one line for each thing, as it happens. */
export function sayEvent(io: Io, event: MarketEvent): void {
  const { paint } = io;
  switch (event.kind) {
    case 'part':
      return sayDone(io, event.part.padEnd(NAME_WIDTH), event.adopted ? `${event.detail} (found running)` : event.detail, event.ms);
    case 'step':
      return sayDone(io, '', event.text, event.ms);
    case 'ended':
      return say(io, `${paint.yellow('!')} ${event.part} ended (${event.how}); starting it again`);
    case 'back':
      return sayDone(io, event.part.padEnd(NAME_WIDTH), 'is back', event.ms);
    case 'note':
      return say(io, `${paint.yellow('!')} ${event.text}`);
    case 'would-end':
      if (event.rentals) sayRentals(io, event.rentals, 'would end');
      else say(io, `${paint.yellow('!')} the database does not answer, so it cannot be said which rentals would end`);
      return say(io, 'Press Ctrl-C again to end them and stop the market.');
    case 'stopping':
      return event.ends.length > 0 ? sayRentals(io, event.ends, event.ends.length === 1 ? 'ends now' : 'end now') : say(io, 'Stopping.');
    case 'stopped':
      return say(io, `Everything is stopped. ${paint.dim(seconds(event.ms))}`);
    case 'ready':
    case 'failed':
      return;
  }
}

function sayDone(io: Io, name: string, text: string, ms: number): void {
  const words = name === '' ? text.padEnd(NAME_WIDTH + DETAIL_WIDTH + 1) : `${name} ${io.paint.dim(text.padEnd(DETAIL_WIDTH))}`;
  say(io, `${io.paint.green('✓')} ${words} ${io.paint.dim(seconds(ms).padStart(7))}`);
}

export function sayRentals(io: Io, rentals: readonly LiveRental[], verb: string): void {
  const count = rentals.length === 1 ? '1 rental' : `${rentals.length} rentals`;
  say(io, `${count} on this machine ${verb}, billed to the second; what is on ${rentals.length === 1 ? 'its disk' : 'their disks'} is deleted:`);
  const rows = rentals.map((rental) => [`  ${rental.id}`, rental.renter, rental.node, rental.status, `${usd(rental.dph_total)}/h`]);
  say(io, table(io, [{ title: '  rental' }, { title: 'renter' }, { title: 'host' }, { title: 'state' }, { title: 'rate', align: 'right' }], rows));
}

/** Where everything is, the account, and what to do next. */
export function sayPlaces(io: Io, places: Places, how: 'started' | 'already' | 'foreground'): void {
  const { account, node } = places;
  const left = account.balance_usd === null ? '' : ` · ${usd(account.balance_usd)} left`;
  const pairs: [string, string][] = [
    ...(places.web_url === null ? [] : [['Web', places.web_url] as [string, string]]),
    ['API', places.url],
    ['Docs', places.docs_url],
    ['State', `${places.home} · logs ${places.log_dir}`],
    ['Account', `${account.email} · password and API key in ${places.credentials_file}`],
    ['Credit', `${usd(`${account.credit_usd}.000000`)} of test credit granted${left}`],
    ...(places.nodes.length > 1 ? nodeLines(places) : node ? [['Host', `${node.name} · ${node.status}, ${node.listing}`] as [string, string]] : []),
    ...places.preparing.map((text): [string, string] => ['Meanwhile', text]),
  ];
  say(io);
  say(io, how === 'already' ? `Muster runs here already (process ${places.supervisor_pid}).` : 'Muster runs on this machine.');
  say(io, facts(io, pairs));
  say(io);
  say(io, facts(io, nextCommands(places)));
  if (how === 'foreground') say(io, `\n${io.paint.dim('Ctrl-C or muster down stops it.')}`);
}

function nodeLines({ nodes, sharing }: Places): [string, string][] {
  const lines = nodes.map(({ number, name, owner, status, listing, cpu_cores, ram_mb }): [string, string] => [
    `Host ${number}`, `${name} · ${status}, ${listing} · ${cpu_cores} vCPU, ${gib(ram_mb)} · ${owner}`,
  ]);
  return sharing === null ? lines : [...lines, ['Shared', sharing]];
}

const nextCommands = (places: Places): [string, string][] =>
  places.node
    ? [
        ['muster search', 'what is for rent now'],
        ['muster rent 1', 'rent the first of it'],
        ['muster ssh 1', 'a shell there'],
      ]
    : [
        ['muster node join', 'put a machine on the market'],
        ['muster search', 'what is for rent now'],
        ['muster down', 'stop everything'],
      ];
