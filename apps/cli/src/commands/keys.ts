import { type ApiKeyInfo, type ApiKeyScope, parseDurationS } from '@muster/shared-types';
import type { Command } from 'commander';
import type { CliContext } from '../context.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import { say, sayJson } from '../output/io.js';
import { facts, table, when } from '../output/words.js';
import { openAccess } from './access.js';
import { remember, resolveId } from './recall.js';

interface CreateOptions {
  host?: boolean;
  name: string;
  scope?: ApiKeyScope[];
  expires?: string;
}

export function registerKeys(program: Command, context: CliContext): void {
  const keys = program.command('keys').description('API keys and host API keys');
  keys
    .command('create')
    .description('Make a key; it is shown once')
    .option('--host', 'a host API key, for muster-agent')
    .option('--name <name>', 'what it is for', 'cli')
    .option('--scope <scope...>', 'read, rent, host, account (default: read rent host)')
    .option('--expires <time>', 'such as 30d or 12h; never when left out')
    .addHelpText('after', '\nExample:\n  muster keys create --name laptop --scope read rent --expires 90d')
    .action((options: CreateOptions) => create(context, options));
  keys.command('ls').description('Keys of this account').addHelpText('after', '\nExample:\n  muster keys ls').action(() => ls(context));
  keys
    .command('revoke')
    .description('End a key; effective at once')
    .argument('<key>', 'number of the last list, or an id')
    .addHelpText('after', '\nExample:\n  muster keys revoke 2')
    .action((typed: string) => revoke(context, typed));
}

async function create({ io, config }: CliContext, { host, name, scope, expires }: CreateOptions): Promise<void> {
  const { client } = await openAccess(config);
  const seconds = expires === undefined ? undefined : parseDurationS(expires);
  if (expires !== undefined && seconds === undefined) throw new CliError(`--expires ${expires} is not a duration.`, EXIT.usage, 'For example: --expires 30d');
  const key = await client.call('createApiKey', { body: { name, kind: host ? 'host' : 'user', ...(scope && { scopes: scope }), ...(seconds && { expires_in_s: seconds }) } });
  if (io.json) return sayJson(io, key);
  say(io, facts(io, [['key', io.paint.bold(key.key)], ['id', key.id], ['expires', key.expires_at ? when(key.expires_at) : 'never']]));
  say(io, `\nIt is not shown again. ${host ? 'On the machine: MUSTER_HOST_API_KEY=… muster node join' : 'Use it as MUSTER_API_KEY.'}`);
}

async function allKeys({ config }: CliContext): Promise<ApiKeyInfo[]> {
  const { client } = await openAccess(config);
  return (await client.call('listApiKeys', {})).items;
}

async function ls(context: CliContext): Promise<void> {
  const { io, config } = context;
  const items = await allKeys(context);
  await remember(config, 'keys', items.map((key) => key.id));
  if (io.json) return sayJson(io, { items });
  if (items.length === 0) return say(io, 'No keys. Make one with: muster keys create');
  const state = (key: ApiKeyInfo): string => (key.revoked_at ? io.paint.dim('revoked') : key.expires_at && Date.parse(key.expires_at) < Date.now() ? io.paint.dim('expired') : io.paint.green('valid'));
  const rows = items.map((key, index) => [String(index + 1), key.name, key.kind, key.hint, key.scopes.join(' '), state(key), key.last_used_at ? when(key.last_used_at) : 'never used']);
  say(io, table(io, [{ title: '#', align: 'right' }, { title: 'NAME' }, { title: 'KIND' }, { title: 'KEY' }, { title: 'SCOPES' }, { title: 'STATE' }, { title: 'LAST USED' }], rows));
}

async function revoke(context: CliContext, typed: string): Promise<void> {
  const { io, config } = context;
  const { client } = await openAccess(config);
  const id = await resolveId(config, 'keys', typed, async () => (await allKeys(context)).map((key) => key.id));
  const key = await client.call('revokeApiKey', { params: { api_key_id: id } });
  if (io.json) return sayJson(io, key);
  say(io, `${io.paint.green('✓')} ${key.name} (${key.hint}) is revoked.`);
}
