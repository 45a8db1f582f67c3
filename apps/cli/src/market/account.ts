import { join } from 'node:path';
import { z } from 'zod';
import { Credentials, credentialsPath, readCredentials } from '../credentials.js';
import { programOf, type Layout } from './layout.js';
import { readIfThere, writePrivate, type Owner } from './private-file.js';
import { lastLineJson, runOnce } from './run-once.js';

export const OPERATOR_EMAIL = 'operator@muster.local';
export const FIRST_CREDIT_USD = '25';

const Bootstrapped = z.object({
  cluster_id: z.uuid(),
  tunnel_server_id: z.uuid(),
  account: z.object({ id: z.uuid(), email: z.string() }),
  granted: z.boolean(),
  secrets: z.object({ password: z.string(), api_key: z.string(), host_api_key: z.string() }).optional(),
});

export interface PreparedMarket {
  tunnelServerId: string;
  credentials: Credentials;
  /** The credit was granted by this very run. */
  granted: boolean;
  /** The database is one that our files know: keys that were made before are good. */
  isKnown: boolean;
}

export const hostKeyFile = (layout: Layout): string => join(layout.secrets, 'host-api-key');

/**
 * Migrates the database and makes what a market needs. The account's secrets are told once; when our files of them are
 * gone, or belong to another database, new ones are made.
 */
export async function prepareMarket(layout: Layout, env: Record<string, string>, url: string, owner: Owner): Promise<PreparedMarket> {
  let made = await bootstrap(env, []);
  const kept = (await readIfThere(hostKeyFile(layout))) === undefined ? null : await readCredentials(layout.home);
  if (!made.secrets && !kept) made = { ...(await bootstrap(env, ['--replace-secrets'])), granted: made.granted };
  const others = (await readCredentials(layout.home).catch(() => null))?.others; // a damaged file is written anew
  const told = made.secrets ? { url, email: made.account.email, password: made.secrets.password, api_key: made.secrets.api_key } : kept;
  const credentials = told && { ...told, ...(others && { others }) };
  if (!credentials) throw new Error('the market made an account and told no key for it');
  if (made.secrets) await writePrivate(hostKeyFile(layout), `${made.secrets.host_api_key}\n`);
  await writePrivate(credentialsPath(layout.home), `${JSON.stringify({ ...credentials, url }, null, 2)}\n`, owner);
  return { tunnelServerId: made.tunnel_server_id, credentials: { ...credentials, url }, granted: made.granted, isKnown: !made.secrets };
}

async function bootstrap(env: Record<string, string>, extra: readonly string[]): Promise<z.infer<typeof Bootstrapped>> {
  const args = [programOf('backend'), 'bootstrap', '--email', OPERATOR_EMAIL, '--grant', FIRST_CREDIT_USD, ...extra];
  return Bootstrapped.parse(lastLineJson(await runOnce(process.execPath, args, { env, timeoutMs: 120_000, what: 'preparing the database' })));
}
