import type { Command } from 'commander';
import type { OperationName, OperationOutput, Operations } from '@muster/shared-types';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { facts, stateWord, table, usd, when, type Column } from '../output/words.js';
import { openAccess, type Access } from './access.js';
import { shortId } from './recall.js';

interface ListOptions {
  limit: string;
  cursor?: string;
}

/** What an operator of the market sees and decides besides money. */
export function registerAdminViews(admin: Command, context: CliContext): void {
  list(admin, 'users', 'Accounts, newest first', '[part of an e-mail, or an id]').action((q: string | undefined, options: ListOptions) => users(context, q, options));
  list(admin, 'nodes', 'Every node', '[name, e-mail of its owner, or an id]').action((q: string | undefined, options: ListOptions) => nodes(context, q, options));
  list(admin, 'rentals', 'Every rental', '[e-mail of its renter, or an id]').option('--live', 'only those that hold something').action((q: string | undefined, options: ListOptions & { live?: boolean }) => rentals(context, q, options));
  list(admin, 'jobs', 'Every job', '[name, e-mail of its submitter, or an id]').action((q: string | undefined, options: ListOptions) => jobs(context, q, options));
  list(admin, 'events', 'The audit trail', '[id of what they are about]').action((about: string | undefined, options: ListOptions) => events(context, about, options));
  admin.command('health').description('How the parts of this market are').addHelpText('after', '\nExample:\n  muster admin health').action(() => health(context));
  verb(admin, 'suspend', '<account>', 'Let nothing of an account in, and end what it has open').requiredOption('--reason <text>', 'kept in the audit trail').action((who: string, options: { reason: string }) => suspend(context, who, options.reason));
  verb(admin, 'unsuspend', '<account>', 'Let an account in again').action((who: string) => unsuspend(context, who));
  verb(admin, 'quarantine', '<node id>', 'Take a node out of the market; what runs on it goes on').requiredOption('--reason <text>', 'told to its host').action((id: string, options: { reason: string }) => quarantine(context, id, options.reason));
  verb(admin, 'release', '<node id>', 'Let a quarantined node come back').action((id: string) => release(context, id));
}

const list = (admin: Command, name: string, description: string, argument: string): Command =>
  admin.command(name).description(description).argument(argument).option('--limit <n>', 'at most this many', '50').option('--cursor <cursor>', 'the `next` of an earlier page').addHelpText('after', `\nExample:\n  muster admin ${name}`);
const verb = (admin: Command, name: string, argument: string, description: string): Command =>
  admin.command(name).description(description).argument(argument).addHelpText('after', `\nExample:\n  muster admin ${name} ${argument}`);

const paging = ({ limit, cursor }: ListOptions): { limit: number; cursor?: string } => ({ limit: Number(limit), ...(cursor !== undefined && { cursor }) });
const filter = (q: string | undefined): { q?: string } => (q === undefined ? {} : { q });

type Listed = Extract<OperationName, 'listUsers' | 'listAllNodes' | 'listAllRentals' | 'listAllJobs' | 'listEvents'>;
type ItemOf<K extends Listed> = OperationOutput<Operations[K]>['items'][number];

function show<K extends Listed>({ io }: CliContext, page: { items: ItemOf<K>[]; next: string | null }, columns: readonly Column[], row: (item: ItemOf<K>) => string[]): void {
  if (io.json) return sayJson(io, page);
  if (page.items.length === 0) return say(io, 'There is none.');
  say(io, table(io, columns, page.items.map(row)));
  if (page.next) say(io, io.paint.dim(`\nMore with: --cursor ${page.next}`));
}

const titles = (...names: string[]): Column[] => names.map((title) => ({ title }));

async function users(context: CliContext, q: string | undefined, options: ListOptions): Promise<void> {
  const { client } = await openAccess(context.config);
  const page = await client.call('listUsers', { query: { ...paging(options), ...filter(q) } });
  show<'listUsers'>(context, page, titles('ID', 'E-MAIL', 'STATE', 'SINCE', 'BALANCE', 'NODES', 'RENTALS', 'JOBS'), (user) => [
    user.id, user.email, stateWord(context.io, user.suspended_at ? 'suspended' : user.is_operator ? 'operator' : user.role), when(user.created_at), usd(user.balance_usd), String(user.nodes), String(user.live_rentals), String(user.open_jobs),
  ]);
}

async function nodes(context: CliContext, q: string | undefined, options: ListOptions): Promise<void> {
  const { client } = await openAccess(context.config);
  const page = await client.call('listAllNodes', { query: { ...paging(options), ...filter(q) } });
  show<'listAllNodes'>(context, page, titles('ID', 'NAME', 'STATE', 'OWNER', 'MACHINE', 'RENTALS', 'RELIABILITY', 'AGENT'), (node) => [
    node.id, node.name, stateWord(context.io, node.status), node.owner_email, node.num_gpus > 0 ? `${node.num_gpus}× ${node.gpu_name}` : `${node.cpu_cores} vCPU`, String(node.live_rentals),
    `${(node.reliability * 100).toFixed(1)} %`, `${node.agent_version}${node.agent_outdated ? context.io.paint.yellow(' outdated') : ''}`,
  ]);
}

async function rentals(context: CliContext, q: string | undefined, options: ListOptions & { live?: boolean }): Promise<void> {
  const { client } = await openAccess(context.config);
  const page = await client.call('listAllRentals', { query: { ...paging(options), ...filter(q), state: options.live ? 'live' : 'all' } });
  show<'listAllRentals'>(context, page, titles('RENTAL', 'STATE', 'RENTER', 'NODE', '$/H', 'SETTLED', 'CREATED', 'ENDED'), (rental) => [
    shortId('rental', rental.id), stateWord(context.io, rental.status), rental.renter_email, rental.node_name, usd(rental.dph_total), usd(rental.settled_usd), when(rental.created_at), rental.end_reason ?? '',
  ]);
}

async function jobs(context: CliContext, q: string | undefined, options: ListOptions): Promise<void> {
  const { client } = await openAccess(context.config);
  const page = await client.call('listAllJobs', { query: { ...paging(options), ...filter(q) } });
  show<'listAllJobs'>(context, page, titles('JOB', 'NAME', 'STATE', 'SUBMITTER', 'SUBMITTED', 'TASKS', 'FAULT'), (job) => [
    shortId('job', job.id), job.name, stateWord(context.io, job.status), job.submitter_email, when(job.submitted_at), `${job.tasks_final}/${job.tasks_total}`, job.error_message ?? '',
  ]);
}

async function events(context: CliContext, about: string | undefined, options: ListOptions): Promise<void> {
  const { client } = await openAccess(context.config);
  const page = await client.call('listEvents', { query: { ...paging(options), ...(about !== undefined && { about }) } });
  show<'listEvents'>(context, page, titles('#', 'WHEN', 'EVENT', 'ABOUT', 'BY', 'WHAT'), (event) => [event.id, when(event.at), event.name, event.aggregate_id, event.actor_email ?? '', JSON.stringify(event.payload)]);
}

async function health({ io, config }: CliContext): Promise<void> {
  const { client } = await openAccess(config);
  const view = await client.call('systemHealth', {});
  if (io.json) return sayJson(io, view);
  const mark = (good: boolean): string => (good ? io.paint.green('✓') : io.paint.red('✗'));
  say(io, facts(io, [
    ['version', `${view.version}, up since ${when(new Date(Date.parse(view.as_of) - view.uptime_s * 1_000).toISOString())}`],
    ...Object.entries(view.dependencies).map(([name, part]): [string, string] => [name, `${mark(part.ok)} ${part.detail}, ${part.ms} ms`]),
    ['events', `${view.outbox.waiting} wait${view.outbox.waiting > 0 ? `, the oldest for ${Math.round(view.outbox.oldest_s)} s` : ''}`],
    ['offers', `${view.offers.total}, ${view.offers.stale} to be made anew`],
    ['database', `${(view.database_bytes / 2 ** 20).toFixed(1)} MiB`],
    ['memory', `${(view.memory.rss_bytes / 2 ** 20).toFixed(0)} MiB`],
    ['loops', view.loops.map(({ name, alive }) => `${mark(alive)} ${name}`).join('  ')],
  ]));
  if (view.outages.length > 0) say(io, `\n${table(io, titles('AWAY FROM', 'TO', 'CAUSE'), view.outages.map(({ from, to, cause }) => [when(from), when(to), cause]))}`);
}

/** The id behind an e-mail or an id. */
async function accountId({ client }: Access, who: string): Promise<string> {
  const { items } = await client.call('listUsers', { query: { q: who, limit: 200 } });
  const found = items.find((user) => user.email === who.toLowerCase() || user.id === who);
  if (!found) throw new CliError(`There is no account ${who}.`, EXIT.notFound, 'See accounts with: muster admin users');
  return found.id;
}

async function suspend({ io, config }: CliContext, who: string, reason: string): Promise<void> {
  const access = await openAccess(config);
  const user = await access.client.call('suspendUser', { params: { user_id: await accountId(access, who) }, body: { reason } });
  if (io.json) return sayJson(io, user);
  say(io, `${io.paint.green('✓')} ${user.email} is let in nowhere. Ended: ${user.ended_rentals} rentals, ${user.cancelled_jobs} jobs.`);
}

async function unsuspend({ io, config }: CliContext, who: string): Promise<void> {
  const access = await openAccess(config);
  const user = await access.client.call('unsuspendUser', { params: { user_id: await accountId(access, who) } });
  if (io.json) return sayJson(io, user);
  say(io, `${io.paint.green('✓')} ${user.email} is let in again. Machines of the account stay quarantined until released.`);
}

async function quarantine({ io, config }: CliContext, nodeId: string, reason: string): Promise<void> {
  const { client } = await openAccess(config);
  const node = await client.call('quarantineNode', { params: { node_id: nodeId }, body: { reason } });
  if (io.json) return sayJson(io, node);
  say(io, `${io.paint.green('✓')} ${node.name} takes nothing new.`);
}

async function release({ io, config }: CliContext, nodeId: string): Promise<void> {
  const { client } = await openAccess(config);
  const node = await client.call('releaseNode', { params: { node_id: nodeId } });
  if (io.json) return sayJson(io, node);
  say(io, `${io.paint.green('✓')} ${node.name} is ${node.lifecycle}.`);
}
