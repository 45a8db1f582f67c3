import type { NodeSummary } from '@muster/shared-types';
import type { Command } from 'commander';
import { openAccess } from '../commands/access.js';
import { shortId } from '../commands/recall.js';
import type { CliContext } from '../context.js';
import { type Io, say, sayJson } from '../output/io.js';
import { facts, gib, stateWord, table, usd, when } from '../output/words.js';
import { jobName } from './job-words.js';

/** `nodes`, `stats`, `credits`: what the market has, does, and owes whom. */
export function registerMarketViews(program: Command, context: CliContext): void {
  program
    .command('nodes')
    .description('Nodes of the market that are there')
    .addHelpText('after', '\nExample:\n  muster nodes\n\nYour own, with numbers to act on: muster node ls')
    .action(() => nodes(context));
  program
    .command('stats')
    .description('Totals of the market')
    .addHelpText('after', '\nExample:\n  muster stats')
    .action(() => stats(context));
  program
    .command('credits')
    .description('What an account or node has earned by verified executions')
    .argument('[owner]', 'an account id or a node id of yours; this account when left out', 'me')
    .addHelpText('after', '\nExample:\n  muster credits')
    .action((owner: string) => credits(context, owner));
}

async function nodes({ io, config }: CliContext): Promise<void> {
  const { client } = await openAccess(config);
  const items: NodeSummary[] = [];
  for await (const node of client.all('listNodes', { query: { of: 'market', limit: 200 } })) items.push(node);
  if (io.json) return sayJson(io, { items });
  if (items.length === 0) return say(io, 'No node is there now. Machines join with: muster node join');
  const rows = items.map((node) => [
    shortId('node', node.id), node.name, stateWord(io, node.status), stateWord(io, node.listing),
    node.num_gpus > 0 ? `${node.num_gpus}× ${node.gpu_name}` : node.cpu_name.slice(0, 24), String(node.cpu_cores), gib(node.cpu_ram_mb), node.geolocation ?? '–', String(node.reputation), `${(node.reliability * 100).toFixed(1)} %`,
  ]);
  say(io, table(io, [{ title: 'NODE' }, { title: 'NAME' }, { title: 'STATE' }, { title: 'LISTING' }, { title: 'MACHINE' }, { title: 'VCPU', align: 'right' }, { title: 'RAM', align: 'right' }, { title: 'PLACE' }, { title: 'REPUTATION', align: 'right' }, { title: 'RELIABILITY', align: 'right' }], rows));
}

const countsWords = (io: Io, counts: Record<string, number>): string =>
  Object.entries(counts).filter(([, count]) => count > 0).map(([word, count]) => `${count} ${stateWord(io, word)}`).join(', ') || 'none';

async function stats({ io, config }: CliContext): Promise<void> {
  const { client } = await openAccess(config, 'public');
  const all = await client.call('stats', {});
  if (io.json) return sayJson(io, all);
  const { capacity } = all;
  say(io, facts(io, [
    ['nodes', countsWords(io, all.nodes)],
    ['capacity', `${capacity.cpu_cores_used} of ${capacity.cpu_cores} vCPU, ${gib(capacity.ram_mb_used)} of ${gib(capacity.ram_mb)} RAM, ${all.gpus.rented} of ${all.gpus.total} GPUs in use`],
    ['jobs', countsWords(io, all.jobs)],
    ['consensus', all.consensus_rate === null ? 'no task decided yet' : `${(all.consensus_rate * 100).toFixed(1)} % of the decided tasks`],
    ['rentals', countsWords(io, all.rentals)],
    ['accounts', String(all.users)],
    ['as of', when(all.as_of)],
  ]));
}

async function credits({ io, config }: CliContext, owner: string): Promise<void> {
  const { client } = await openAccess(config);
  const view = await client.call('getCredits', { params: { owner } });
  if (io.json) return sayJson(io, view);
  say(io, facts(io, [[view.kind, view.owner], ['credits', io.paint.bold(String(view.credits))], ['earned', usd(view.earned_usd)]]));
  if (view.nodes.length > 0) {
    const rows = view.nodes.map((node) => [shortId('node', node.node_id), node.name, String(node.executions_valid), String(node.executions_invalid), String(node.reputation), String(node.credits)]);
    say(io, `\n${table(io, [{ title: 'NODE' }, { title: 'NAME' }, { title: 'VALID', align: 'right' }, { title: 'INVALID', align: 'right' }, { title: 'REPUTATION', align: 'right' }, { title: 'CREDITS', align: 'right' }], rows)}`);
  }
  if (view.entries.length > 0) {
    const rows = view.entries.map((entry) => [when(entry.timestamp), entry.event_type, entry.job_id ? jobName({ id: entry.job_id }) : '–', String(entry.credits), entry.hash?.slice(0, 12) ?? io.paint.dim('not sealed yet')]);
    say(io, `\n${table(io, [{ title: 'WHEN' }, { title: 'WHAT' }, { title: 'JOB' }, { title: 'CREDITS', align: 'right' }, { title: 'HASH' }], rows)}`);
  }
}
