import { randomBytes } from 'node:crypto';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { readIfThere, writePrivate } from './private-file.js';

/** What only this machine's market may know. Made once; losing the master key loses every sealed secret in the database. */
export interface MarketSecrets {
  masterKey: string;
  gateSecret: string;
  redisPassword: string;
}

export async function marketSecrets(folder: string): Promise<MarketSecrets> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await chmod(folder, 0o700);
  const [masterKey, gateSecret, redisPassword] = await Promise.all(['master-key', 'gate-secret', 'redis-password'].map((name) => keptSecret(join(folder, name))));
  if (!masterKey || !gateSecret || !redisPassword) throw new Error(`${folder} holds an empty secret; restore it from a backup`);
  return { masterKey, gateSecret, redisPassword };
}

/** 32 random bytes in hex, the same ever after. */
async function keptSecret(path: string): Promise<string> {
  const kept = await readIfThere(path);
  if (kept !== undefined) return kept.trim();
  const secret = randomBytes(32).toString('hex');
  await writePrivate(path, `${secret}\n`);
  return secret;
}
