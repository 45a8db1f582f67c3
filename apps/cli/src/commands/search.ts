import { DEFAULT_ORDER, formatOrder, formatQuery, parseOrder, parseQuery, QUERY_FIELDS, showQueryError, type Offer, type Parsed, type QueryField } from '@muster/shared-types';
import type { Command } from 'commander';
import type { MarketClient } from '@muster/client';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { gib, table, usd } from '../output/words.js';
import { openAccess } from './access.js';
import { remember } from './recall.js';

interface SearchOptions {
  order?: string;
  maxPrice?: string;
  gpu?: string;
  numGpus?: string;
  minCpu?: string;
  limit: string;
  explain?: boolean;
  fields?: boolean;
}

export function registerSearch(program: Command, context: CliContext): void {
  program
    .command('search')
    .description('What is free to rent now, cheapest first')
    .argument('[query...]', 'what it must be, such as: num_gpus=1 gpu_name=RTX_4090 dph_total<=0.5')
    .option('-o, --order <fields>', 'by which fields, each with - for the greatest first', formatOrder(DEFAULT_ORDER))
    .option('--max-price <usd>', 'at most this many $ per hour')
    .option('--gpu <name>', 'GPU model, or a part of it, e.g. 4090')
    .option('--num-gpus <n>', 'exactly this many GPUs (0 = CPU only)')
    .option('--min-cpu <n>', 'at least this many vCPUs')
    .option('--limit <n>', 'at most this many offers', '50')
    .option('--explain', 'print the HTTP call and do nothing else')
    .option('--fields', 'print what can be asked for, with units')
    .addHelpText('after', EXAMPLES)
    .action((words: string[], options: SearchOptions) => (options.fields ? listFields(context) : search(context, words.join(' '), options)));
}

const EXAMPLES = `
Examples:
  muster search --max-price 0.5
  muster search 'num_gpus=1 gpu_name=RTX_4090 reliability>0.98 dph_total<=0.5 geolocation in [DE,NL]'
  muster search 'num_gpus>=4' -o 'dph_total,reliability-'

Then: muster rent 1`;

async function search({ io, config }: CliContext, text: string, options: SearchOptions): Promise<void> {
  const query = queryOf(text, options);
  const { client } = await openAccess(config, 'public');
  if (options.explain) return explain(io, client, query);
  const page = await firstOffers(client, query);
  // A search that finds nothing leaves the numbers of the one before it.
  if (page.items.length > 0) await remember(config, 'offers', page.items.map((offer) => offer.id));
  if (io.json) return sayJson(io, page);
  if (page.items.length === 0) return say(io, emptyWords(text, options));
  say(io, table(io, COLUMNS, page.items.map(rowOf)));
  if (page.next) say(io, io.paint.dim(`\nThere are more: --limit ${query.limit * 2}`));
  say(io, `\nRent one with: ${io.paint.bold('muster rent 1')}`);
}

interface Query {
  limit: number;
  [name: string]: string | number;
}

/** What goes to the market. A fault in the query is shown here, with marks under it. */
function queryOf(text: string, options: SearchOptions): Query {
  const limit = Number(options.limit);
  if (!Number.isInteger(limit) || limit < 1) throw new CliError(`--limit is a whole number from 1: ${options.limit}`, EXIT.usage);
  const q = formatQuery(checked(text, parseQuery(text)));
  const order = options.order && formatOrder(checked(options.order, parseOrder(options.order)));
  return {
    limit,
    ...(q && { q }),
    ...(order && order !== formatOrder(DEFAULT_ORDER) && { order }),
    ...(options.maxPrice && { max_price: options.maxPrice }),
    ...(options.gpu && { gpu: options.gpu }),
    ...(options.numGpus && { num_gpus: options.numGpus }),
    ...(options.minCpu && { min_cpu_cores: options.minCpu }),
  };
}

function checked<T>(text: string, parsed: Parsed<T>): T {
  if (parsed.ok) return parsed.value;
  throw new CliError(`This is not understood:\n  ${showQueryError(text, parsed.error).replaceAll('\n', '\n  ')}`, EXIT.usage, 'What can be asked for: muster search --fields');
}

const MOST_PER_PAGE = 200;

/** Pages until there are as many as asked for. */
async function firstOffers(client: MarketClient, { limit, ...query }: Query): Promise<{ items: Offer[]; next: string | null }> {
  const items: Offer[] = [];
  for (let cursor: string | null = ''; ; ) {
    const page: { items: Offer[]; next: string | null } = await client.call('searchOffers', { query: { ...query, limit: Math.min(MOST_PER_PAGE, limit - items.length), ...(cursor && { cursor }) } });
    items.push(...page.items);
    cursor = page.next;
    if (cursor === null || items.length >= limit) return { items, next: cursor };
  }
}

function explain(io: CliContext['io'], client: MarketClient, query: Query): void {
  const { method, url } = client.describe('searchOffers', { query: { ...query, limit: Math.min(MOST_PER_PAGE, query.limit) } });
  if (io.json) return sayJson(io, { method, url });
  say(io, `${method} ${url}`);
}

function listFields({ io }: CliContext): void {
  const fields = Object.entries<QueryField>(QUERY_FIELDS).map(([name, { kind, unit, about, values }]) => ({ name, kind, unit, about, ...(values && { values }) }));
  if (io.json) return sayJson(io, { items: fields });
  const rows = fields.map(({ name, kind, unit, about, values }) => [name, values ? values.join(' | ') : kind, unit, about]);
  say(io, table(io, [{ title: 'FIELD' }, { title: 'KIND' }, { title: 'UNIT' }, { title: 'WHAT' }], rows));
  say(io, '\nOperators: = != < <= > >= in notin. All comparisons must hold. _ stands for a space; FIELD=any asks nothing.');
}

const emptyWords = (text: string, options: SearchOptions): string =>
  text || options.maxPrice || options.gpu || options.numGpus || options.minCpu
    ? 'Nothing free matches that. See everything with: muster search'
    : 'Nothing is free now. Machines join with: muster node join';

const COLUMNS = [
  { title: '#', align: 'right' },
  { title: 'MACHINE' },
  { title: '$/H', align: 'right' },
  { title: 'VCPU', align: 'right' },
  { title: 'RAM', align: 'right' },
  { title: 'DISK UP TO', align: 'right' },
  { title: 'RELIABILITY', align: 'right' },
  { title: 'PLACE' },
  { title: 'ISOLATION' },
  { title: 'HOST' },
] as const;

function rowOf(offer: Offer, index: number): string[] {
  return [
    String(index + 1),
    machineOf(offer),
    usd(offer.dph_total).slice(1),
    String(offer.cpu_cores),
    gib(offer.cpu_ram_mb),
    `${offer.disk_space} GB`,
    `${(offer.reliability * 100).toFixed(1)} %`,
    offer.geolocation ?? '–',
    offer.isolation,
    offer.own_node ? `${offer.node_name} (yours)` : offer.node_name,
  ];
}

/** `2× RTX 4090, 24 GiB` or the processor of a machine without a GPU. */
export const machineOf = (offer: Pick<Offer, 'num_gpus' | 'gpu_name' | 'gpu_ram_mb' | 'cpu_name'>): string =>
  offer.num_gpus > 0 ? `${offer.num_gpus}× ${offer.gpu_name ?? 'GPU'}, ${gib(offer.gpu_ram_mb)}` : shortCpu(offer.cpu_name);

const shortCpu = (name: string): string => name.replace(/ (CPU|Processor).*$/i, '').slice(0, 32);
