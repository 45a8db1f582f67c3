import { join } from 'node:path';
import { MarketClient } from '@muster/client';
import type { CliConfig } from '../config.js';
import { readCredentials } from '../credentials.js';
import { CliError, EXIT } from '../output/exit-codes.js';

export interface Access {
  client: MarketClient;
  url: string;
  /** Where this person's keys, host keys and last answers lie. */
  dir: string;
}

/** MUSTER_URL and MUSTER_API_KEY, else the market that runs here. Public calls need no key. */
export async function openAccess(config: CliConfig, need: 'key' | 'public' = 'key'): Promise<Access> {
  const local = config.url && config.apiKey ? null : await readCredentials(config.home);
  const url = config.url ?? local?.url;
  const token = config.apiKey ?? (config.url && local?.url !== config.url ? undefined : local?.api_key);
  if (!url) throw new CliError('No market is known here.', EXIT.usage, 'Start one with: muster up. Or set MUSTER_URL and MUSTER_API_KEY to use another.');
  if (!token && need === 'key') throw new CliError(`No API key for ${url}.`, EXIT.usage, 'Set MUSTER_API_KEY; make a key in that market with: muster keys create');
  return { client: new MarketClient({ url, userAgent: 'muster-cli', ...(token && { token }) }), url, dir: personalDir(config) };
}

export const personalDir = (config: CliConfig): string => join(config.caller.home ?? config.home, '.muster');
