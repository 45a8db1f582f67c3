import { parseDurationS, type MaintenanceView } from '@muster/shared-types';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { stateWord, table, when } from '../output/words.js';
import { openAccess } from './access.js';
import { findNode } from './find-node.js';

interface MaintenanceOptions {
  from?: string;
  until?: string;
  for?: string;
  reason?: string;
  cancel?: boolean;
}

export function registerMaintenance(node: Command, context: CliContext): void {
  node
    .command('maintenance')
    .description('Plan maintenance: nothing new in that time, renters are told; without options, what is planned')
    .argument('<node>', 'number of the last `node ls`, or an id')
    .option('--from <when>', 'RFC 3339, or from now on such as 2h; now when left out')
    .option('--until <when>', 'RFC 3339')
    .option('--for <time>', 'instead of --until: how long, such as 90m, 2h, 1d')
    .option('--reason <text>', 'told to those who rent it')
    .option('--cancel', 'call it off, or end it now')
    .addHelpText('after', "\nExamples:\n  muster node maintenance 1 --from 2h --for 90m --reason 'new fans'\n  muster node maintenance 1 --cancel")
    .action((typed: string, options: MaintenanceOptions) => maintenance(context, typed, options));
}

async function maintenance(context: CliContext, typed: string, options: MaintenanceOptions): Promise<void> {
  const { io } = context;
  const access = await openAccess(context.config);
  const params = { node_id: await findNode(context, access, typed) };
  if (options.cancel) {
    const done = await access.client.call('cancelMaintenance', { params });
    if (io.json) return sayJson(io, done);
    return say(io, done.cancelled ? `${io.paint.green('✓')} It is called off.` : 'Nothing was planned.');
  }
  if (options.until === undefined && options.for === undefined) return list(context, (await access.client.call('listMaintenance', { params })).items);
  const view = await access.client.call('planMaintenance', { params, body: planOf(options, Date.now()) });
  if (io.json) return sayJson(io, view);
  say(io, `${io.paint.green('✓')} ${view.state === 'now' ? 'Off the market' : `Off the market from ${when(view.from)}`} until ${when(view.until)}. Who rents it is told.`);
}

function list({ io }: CliContext, items: readonly MaintenanceView[]): void {
  if (io.json) return sayJson(io, { items });
  if (items.length === 0) return say(io, 'Nothing is planned.');
  say(io, table(io, [{ title: 'STATE' }, { title: 'FROM' }, { title: 'UNTIL' }, { title: 'REASON' }], items.map(({ state, from, until, reason }) => [stateWord(io, state), when(from), when(until), reason])));
}

/** Times as the API takes them. */
export function planOf(options: MaintenanceOptions, nowMs: number): { from?: string; until: string; reason: string } {
  const from = options.from === undefined ? nowMs : momentOf('--from', options.from, nowMs);
  const until = options.until === undefined ? from + lengthOf(options.for ?? '') : momentOf('--until', options.until, nowMs);
  return { ...(options.from !== undefined && { from: new Date(from).toISOString() }), until: new Date(until).toISOString(), reason: options.reason ?? '' };
}

function momentOf(option: string, text: string, nowMs: number): number {
  const later = parseDurationS(text);
  const at = later === undefined ? Date.parse(text) : nowMs + later * 1_000;
  if (Number.isNaN(at)) throw new CliError(`${option} is a time such as 2026-12-01T08:00:00Z, or one from now on such as 2h: ${text}`, EXIT.usage);
  return at;
}

function lengthOf(text: string): number {
  const seconds = parseDurationS(text);
  if (seconds === undefined || seconds === 0) throw new CliError(`--for is a time such as 90m, 2h or 1d: ${text}`, EXIT.usage);
  return seconds * 1_000;
}
