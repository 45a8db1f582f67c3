import type { Offer } from '@muster/shared-types';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { say, sayJson } from '../output/io.js';
import { gib, table, usd } from '../output/words.js';
import { openAccess } from './access.js';
import { remember } from './recall.js';

interface SearchOptions {
  maxPrice?: string;
  gpu?: string;
  numGpus?: string;
  minCpu?: string;
  limit: string;
}

export function registerSearch(program: Command, context: CliContext): void {
  program
    .command('search')
    .description('What is free to rent now, cheapest first')
    .option('--max-price <usd>', 'at most this many $ per hour')
    .option('--gpu <name>', 'GPU model, e.g. "RTX 4090"')
    .option('--num-gpus <n>', 'exactly this many GPUs (0 = CPU only)')
    .option('--min-cpu <n>', 'at least this many vCPUs')
    .option('--limit <n>', 'at most this many offers', '50')
    .addHelpText('after', '\nExample:\n  muster search --max-price 0.5\n\nThen: muster rent 1')
    .action((options: SearchOptions) => search(context, options));
}

async function search({ io, config }: CliContext, options: SearchOptions): Promise<void> {
  const { client } = await openAccess(config, 'public');
  const page = await client.call('searchOffers', {
    query: {
      limit: options.limit as unknown as number,
      ...(options.maxPrice && { max_price: options.maxPrice }),
      ...(options.gpu && { gpu: options.gpu }),
      ...(options.numGpus && { num_gpus: options.numGpus }),
      ...(options.minCpu && { min_cpu_cores: options.minCpu }),
    },
  });
  // A search that finds nothing leaves the numbers of the one before it.
  if (page.items.length > 0) await remember(config, 'offers', page.items.map((offer) => offer.id));
  if (io.json) return sayJson(io, { items: page.items, next: page.next });
  if (page.items.length === 0) return say(io, emptyWords(options));
  say(io, table(io, COLUMNS, page.items.map(rowOf)));
  say(io, `\nRent one with: ${io.paint.bold('muster rent 1')}`);
}

const emptyWords = (options: SearchOptions): string =>
  options.maxPrice || options.gpu || options.numGpus || options.minCpu
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
