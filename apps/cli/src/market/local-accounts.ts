import { randomBytes } from 'node:crypto';
import { MarketClient } from '@muster/client';
import { ProblemError } from '@muster/shared-types';
import { type Credentials, credentialsPath, LocalAccount, readCredentials } from '../credentials.js';
import { type Owner, writePrivate } from './private-file.js';

/** Which keys an account needs. */
export type AccountKeys = 'user' | 'user and host';

/**
 * An account of this machine's market with its keys, made where it is missing; what is in the credential file is tried
 * first. `caller` owns that file. Throws when the market refuses.
 */
export async function localAccount(home: string, email: string, keys: AccountKeys, caller: Owner): Promise<LocalAccount> {
  const credentials = await readCredentials(home);
  if (!credentials) throw new Error(`${credentialsPath(home)} is missing`);
  const known = credentials.others?.find((account) => account.email === email);
  if (known && (keys === 'user' || known.host_api_key) && (await works(credentials.url, known.api_key))) return known;
  const made = await makeAccount(credentials, email, known?.password, keys);
  const others = [...(credentials.others ?? []).filter((account) => account.email !== email), made];
  await writePrivate(credentialsPath(home), `${JSON.stringify({ ...credentials, others }, null, 2)}\n`, caller);
  return made;
}

async function works(url: string, token: string): Promise<boolean> {
  try {
    await new MarketClient({ url, token, userAgent: 'muster-up' }).call('getAccount', {});
    return true;
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 401) return false;
    throw error;
  }
}

async function makeAccount(credentials: Credentials, email: string, known: string | undefined, keys: AccountKeys): Promise<LocalAccount> {
  const { url } = credentials;
  const password = known ?? randomBytes(18).toString('base64url');
  const session = await openSession(credentials, email, password);
  const client = new MarketClient({ url, token: session.token, userAgent: 'muster-up' });
  const user = await client.call('createApiKey', { body: { name: 'muster up', kind: 'user', scopes: ['read', 'rent', 'host', 'account'] } });
  const host = keys === 'user' ? undefined : await client.call('createApiKey', { body: { name: 'muster up', kind: 'host' } });
  await client.call('signOut', {});
  return { email, password: session.password, api_key: user.key, ...(host && { host_api_key: host.key }) };
}

/** Signs up; an account that is there is signed in to, with a new password from the operator when ours is not its own. */
async function openSession({ url, api_key }: Credentials, email: string, password: string): Promise<{ token: string; password: string }> {
  const nobody = new MarketClient({ url, userAgent: 'muster-up' });
  const signedUp = await orProblem('email_taken', nobody.call('signUp', { body: { email, password } }));
  if (signedUp) return { token: signedUp.access_token, password };
  const signedIn = await orProblem('bad_credentials', nobody.call('signIn', { body: { email, password } }));
  if (signedIn) return { token: signedIn.access_token, password };
  const operator = new MarketClient({ url, token: api_key, userAgent: 'muster-up' });
  const reset = await operator.call('resetPassword', { body: { email } });
  const session = await nobody.call('signIn', { body: { email, password: reset.password } });
  return { token: session.access_token, password: reset.password };
}

/** Null for the one refusal that is expected. */
async function orProblem<T>(code: 'email_taken' | 'bad_credentials', call: Promise<T>): Promise<T | null> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof ProblemError && error.problem.code === code) return null;
    throw error;
  }
}
