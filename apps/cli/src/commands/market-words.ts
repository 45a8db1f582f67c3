import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { say, sayJson } from '../output/io.js';
import { table, usd, when } from '../output/words.js';
import { openAccess } from './access.js';

/** What the market asks, and what it told this account. */
export function registerMarketWords(program: Command, context: CliContext): void {
  program
    .command('prices')
    .description('What is asked now per GPU model')
    .argument('[model]', 'one model with its history, such as RTX_4090; cpu for machines without GPUs')
    .option('--days <n>', 'of history', '7')
    .addHelpText('after', '\nExample:\n  muster prices RTX_4090 --days 30')
    .action((model: string | undefined, options: { days: string }) => prices(context, model, options));
  program
    .command('notifications')
    .description('What this account was told, newest first')
    .option('--unread', 'only what was not read yet')
    .option('--read', 'mark all as read')
    .option('--limit <n>', 'at most this many', '20')
    .addHelpText('after', '\nExample:\n  muster notifications --unread')
    .action((options: { unread?: boolean; read?: boolean; limit: string }) => notifications(context, options));
}

async function prices({ io, config }: CliContext, model: string | undefined, { days }: { days: string }): Promise<void> {
  const { client } = await openAccess(config, 'public');
  const view = await client.call('marketPrices', { query: { ...(model !== undefined && { gpu_name: model }), days: Number(days) } });
  if (io.json) return sayJson(io, view);
  if (view.items.length === 0) return say(io, model === undefined ? 'Nothing is free now.' : `No ${model} is free now, and none was.`);
  const rows = view.items.map((item) => [item.gpu_name ?? 'CPU (per vCPU)', String(item.nodes), String(item.free), usd(item.min_usd), usd(item.p10_usd), usd(item.median_usd), usd(item.p90_usd)]);
  say(io, table(io, [{ title: 'MODEL' }, ...['NODES', 'FREE', 'LOWEST', 'P10', 'MEDIAN', 'P90'].map((title) => ({ title, align: 'right' as const }))], rows));
  const history = view.items.flatMap((item) => item.history).map((point) => [when(point.at), String(point.nodes), usd(point.p10_usd), usd(point.median_usd), usd(point.p90_usd)]);
  if (history.length > 0) say(io, `\n${table(io, [{ title: 'WHEN' }, ...['NODES', 'P10', 'MEDIAN', 'P90'].map((title) => ({ title, align: 'right' as const }))], history)}`);
}

async function notifications({ io, config }: CliContext, options: { unread?: boolean; read?: boolean; limit: string }): Promise<void> {
  const { client } = await openAccess(config);
  const page = await client.call('listNotifications', { query: { limit: Number(options.limit), state: options.unread ? 'unread' : 'all' } });
  if (options.read) await client.call('readNotifications', { body: {} });
  if (io.json) return sayJson(io, page);
  if (page.items.length === 0) return say(io, options.unread ? 'Nothing new.' : 'Nothing has happened yet.');
  say(io, table(io, [{ title: '' }, { title: 'WHEN' }, { title: 'WHAT' }, { title: '' }], page.items.map((item) => [item.read_at ? ' ' : io.paint.blue('•'), when(item.at), io.paint.bold(item.title), item.message])));
}
