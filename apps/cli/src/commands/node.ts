import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { confirm, isCancel } from '@clack/prompts';
import type { NodeView } from '@muster/shared-types';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { type Io, say, sayJson } from '../output/io.js';
import { duration, facts, gib, stateWord, table, usd, when } from '../output/words.js';
import { openAccess } from './access.js';
import { allNodes, findNode } from './find-node.js';
import { registerMaintenance } from './maintenance.js';
import { remember, shortId } from './recall.js';

interface JoinOptions {
  name?: string;
  geolocation?: string;
  unlisted?: boolean;
}

interface PriceOptions {
  gpu?: string;
  cpu?: string;
  ram?: string;
  disk?: string;
  minChunk?: string;
}

export function registerNode(program: Command, context: CliContext): void {
  const node = program.command('node').description('Machines you offer');
  node
    .command('join')
    .description('Offer this machine: enrol it under its own key, then serve the market until stopped')
    .option('--name <name>', 'how renters see it; the host name when left out')
    .option('--geolocation <cc>', 'country, e.g. DE')
    .option('--unlisted', 'enrol it without putting it on the market')
    .addHelpText('after', '\nExample (on the machine, as root):\n  MUSTER_URL=https://market.example MUSTER_HOST_API_KEY=msh_… muster node join --geolocation DE\n\nIt is on the market as soon as its checks pass; take it off with: muster node unlist 1')
    .action((options: JoinOptions) => join_(context, options));
  node.command('ls').description('Your machines').addHelpText('after', '\nExample:\n  muster node ls').action(() => ls(context));
  onNode(node, 'show', 'One machine: health, prices, evidence').action((typed: string) => show(context, typed));
  onNode(node, 'price', 'Set prices; running rentals keep theirs')
    .option('--gpu <usd>', '$ per GPU-hour')
    .option('--cpu <usd>', '$ per vCPU-hour')
    .option('--ram <usd>', '$ per GiB-hour')
    .option('--disk <usd>', '$ per GB-month')
    .option('--min-chunk <n>', 'smallest number of GPUs rented as one (a power of two)')
    .action((typed: string, options: PriceOptions) => price(context, typed, options));
  onNode(node, 'list', 'Put it on the market').action((typed: string) => change(context, typed, 'listNode', 'is on the market'));
  onNode(node, 'unlist', 'Take it off the market; running rentals go on').action((typed: string) => change(context, typed, 'unlistNode', 'is off the market'));
  onNode(node, 'drain', 'Accept nothing new, finish what runs').action((typed: string) => change(context, typed, 'drainNode', 'accepts nothing new'));
  registerMaintenance(node, context);
  onNode(node, 'retire', 'Leave the market for good')
    .option('--force', 'end running rentals')
    .option('-y, --yes', 'do not ask')
    .action((typed: string, options: { force?: boolean; yes?: boolean }) => retire(context, typed, options));
}

const onNode = (node: Command, name: string, description: string): Command =>
  node.command(name).description(description).argument('<node>', 'number of the last `node ls`, or an id').addHelpText('after', `\nExample:\n  muster node ${name} 1${name === 'price' ? ' --cpu 0.012' : ''}`);

/** The agent is a program of its own; this runs it here in the foreground, with the market of this call. */
async function join_({ config }: CliContext, { name, geolocation, unlisted }: JoinOptions): Promise<void> {
  if (!config.url) throw new CliError('Which market?', EXIT.usage, 'Set MUSTER_URL to its address and MUSTER_HOST_API_KEY to a key from: muster keys create --host');
  const agent = join(fileURLToPath(import.meta.url), '../../../../agent/dist/main.js');
  const env = { ...config.handedOn, ...config.hostKey, PATH: config.path, MUSTER_URL: config.url, MUSTER_HOME: config.home, ...(config.frpcPath && { FRPC_PATH: config.frpcPath }), ...(name && { MUSTER_AGENT_NAME: name }), ...(geolocation && { MUSTER_AGENT_GEOLOCATION: geolocation }), ...(unlisted && { MUSTER_AGENT_LIST: 'false' }) };
  process.exitCode = await new Promise<number>((resolve) => {
    const child = spawn(process.execPath, [agent, 'run'], { stdio: 'inherit', env });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
    child.once('exit', (code) => resolve(code ?? EXIT.failed));
  });
}

async function ls({ io, config }: CliContext): Promise<void> {
  const nodes = await allNodes(await openAccess(config));
  await remember(config, 'nodes', nodes.map((node) => node.id));
  if (io.json) return sayJson(io, { items: nodes });
  if (nodes.length === 0) return say(io, 'No machines of yours. Offer one with: muster node join');
  const rows = nodes.map((node, index) => [
    String(index + 1), node.name, stateWord(io, node.status), stateWord(io, node.listing),
    node.num_gpus > 0 ? `${node.num_gpus}× ${node.gpu_name}` : node.cpu_name.slice(0, 28),
    String(node.cpu_cores), gib(node.cpu_ram_mb), `${node.disk_gb} GB`, `${(node.reliability * 100).toFixed(1)} %`, String(node.reputation),
  ]);
  say(io, table(io, [{ title: '#', align: 'right' }, { title: 'NAME' }, { title: 'STATE' }, { title: 'LISTING' }, { title: 'MACHINE' }, { title: 'VCPU', align: 'right' }, { title: 'RAM', align: 'right' }, { title: 'DISK', align: 'right' }, { title: 'RELIABILITY', align: 'right' }, { title: 'REPUTATION', align: 'right' }], rows));
}

async function show(context: CliContext, typed: string): Promise<void> {
  const { io } = context;
  const access = await openAccess(context.config);
  const node = await access.client.call('getNode', { params: { node_id: await findNode(context, access, typed) } });
  if (io.json) return sayJson(io, node);
  say(io, nodeFacts(io, node));
  const marks = { pass: io.paint.green('✓'), warn: io.paint.yellow('!'), fail: io.paint.red('✗'), skipped: io.paint.dim('–') };
  say(io, `\n${table(io, [{ title: '' }, { title: 'CHECK' }, { title: 'FOUND' }, { title: 'WANTED' }, { title: 'WHAT TO DO' }], node.preflight.map((check) => [marks[check.status], check.title, `${check.actual} ${check.unit}`.trim(), check.required, check.status === 'pass' ? '' : check.remediation]))}`);
}

function nodeFacts(io: Io, node: NodeView): string {
  const parts = node.reliability_parts;
  return facts(io, [
    ['node', `${node.name}  ${io.paint.dim(`${shortId('node', node.id)} ${node.id}`)}`],
    ['state', `${stateWord(io, node.status)} (${node.lifecycle}, ${node.presence}, ${node.listing})`],
    ['machine', `${node.num_gpus > 0 ? `${node.num_gpus}× ${node.gpu_name}, ` : ''}${node.cpu_cores} vCPU (${node.cpu_name}), ${gib(node.cpu_ram_mb)} RAM, ${node.disk_gb} GB disk`],
    ['in use', `${node.used.gpus} GPUs, ${node.used.cpu_cores} vCPU, ${gib(node.used.ram_mb)} RAM, ${node.used.disk_gb} GB disk by ${node.active_rentals} rentals`],
    ['prices', `${usd(node.pricing.gpu_dph)} GPU/h · ${usd(node.pricing.cpu_core_dph)} vCPU/h · ${usd(node.pricing.ram_gib_dph)} GiB/h · ${usd(node.pricing.storage_cost)} GB/month`],
    ['earned', usd(node.earned_usd)],
    ['reliability', `${(parts.reliability * 100).toFixed(2)} %: down ${duration(parts.down_minutes * 60)} of ${duration(parts.minutes * 60)}, starts ${parts.starts_ok} good, ${parts.starts_failed} failed`],
    ['reputation', String(node.reputation)],
    ['heard', node.last_heartbeat ? when(node.last_heartbeat) : 'never'],
    ...(node.agent_version === '' ? [] : [['agent', node.agent_outdated ? io.paint.yellow(`${node.agent_version}, older than this market: update it on the machine and start it again`) : node.agent_version] as const]),
    ['you can', node.actions.join(', ')],
  ]);
}

async function price(context: CliContext, typed: string, options: PriceOptions): Promise<void> {
  const { io } = context;
  const access = await openAccess(context.config);
  const body = {
    ...(options.gpu && { gpu_dph: options.gpu }),
    ...(options.cpu && { cpu_core_dph: options.cpu }),
    ...(options.ram && { ram_gib_dph: options.ram }),
    ...(options.disk && { storage_cost: options.disk }),
    ...(options.minChunk && { min_chunk: Number(options.minChunk) }),
  };
  if (Object.keys(body).length === 0) throw new CliError('No price was given.', EXIT.usage, 'For example: muster node price 1 --cpu 0.012');
  const node = await access.client.call('priceNode', { params: { node_id: await findNode(context, access, typed) }, body });
  if (io.json) return sayJson(io, node);
  say(io, nodeFacts(io, node));
}

async function change(context: CliContext, typed: string, operation: 'listNode' | 'unlistNode' | 'drainNode', words: string): Promise<void> {
  const { io } = context;
  const access = await openAccess(context.config);
  const node = await access.client.call(operation, { params: { node_id: await findNode(context, access, typed) } });
  if (io.json) return sayJson(io, node);
  say(io, `${io.paint.green('✓')} ${node.name} ${words}.`);
}

async function retire(context: CliContext, typed: string, { force = false, yes }: { force?: boolean; yes?: boolean }): Promise<void> {
  const { io } = context;
  const access = await openAccess(context.config);
  const id = await findNode(context, access, typed);
  if (!yes && io.isTty && !io.json) {
    const answer = await confirm({ message: `Retire it for good${force ? ' and end what runs on it' : ''}?` });
    if (isCancel(answer) || !answer) throw new CliError('Nothing was changed.', EXIT.refused);
  }
  const node = await access.client.call('retireNode', { params: { node_id: id }, body: { force } });
  if (io.json) return sayJson(io, node);
  say(io, `${io.paint.green('✓')} ${node.name} has left the market.`);
}
