import { execFile } from 'node:child_process';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ProblemError } from '@muster/shared-types';
import type { CliConfig } from '../config.js';
import { CliError, EXIT } from '../output/exit-codes.js';
import type { Access } from './access.js';
import { give, ownFolder, readText } from './personal-files.js';

const run = promisify(execFile);

export interface KeyChoice {
  ids: string[];
  /** Private key to log in with; null leaves it to OpenSSH's own defaults. */
  identity: string | null;
  /** Set when a key was made for this call. */
  made: string | null;
}

/** The keys that a rental lets in: the named file, else all of the account's, else one that is made and registered now. */
export async function chooseKeys(config: CliConfig, access: Access, file: string | undefined): Promise<KeyChoice> {
  if (file !== undefined) return { ids: [await registerFile(access, file)], identity: file.replace(/\.pub$/, ''), made: null };
  const { items } = await access.client.call('listSshKeys', {});
  const own = ownKeyPath(access.dir);
  const publicKey = await readText(`${own}.pub`);
  const ours = publicKey && items.find((key) => sameKey(key.public_key, publicKey));
  if (items.length > 0) return { ids: items.map((key) => key.id), identity: ours ? own : null, made: null };
  if (!publicKey) await makeKey(config, own);
  return { ids: [await registerFile(access, `${own}.pub`)], identity: own, made: publicKey ? null : own };
}

const ownKeyPath = (dir: string): string => join(dir, 'id_ed25519');

async function makeKey(config: CliConfig, path: string): Promise<void> {
  await ownFolder(config, join(path, '..'));
  await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `muster@${hostname()}`, '-f', path]).catch((error: unknown) => {
    throw new CliError('No SSH key could be made.', EXIT.failed, 'Install openssh-client, or name a key with: --ssh-key FILE.pub', { cause: error });
  });
  await give(config, path);
  await give(config, `${path}.pub`);
}

/** Registers the public key of a file; one that is registered already is found again. */
export async function registerFile(access: Access, file: string, name?: string): Promise<string> {
  const text = await readText(file);
  if (text === null) throw new CliError(`There is no file ${file}.`, EXIT.usage, 'Name a public key, e.g. ~/.ssh/id_ed25519.pub');
  const publicKey = text.trim();
  try {
    const comment = publicKey.split(/\s+/)[2];
    return (await access.client.call('addSshKey', { body: { name: name ?? comment ?? file, public_key: publicKey } })).id;
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.code !== 'key_in_use') throw error;
    const { items } = await access.client.call('listSshKeys', {});
    const known = items.find((key) => sameKey(key.public_key, publicKey));
    if (!known) throw error;
    return known.id;
  }
}

const sameKey = (a: string, b: string): boolean => a.trim().split(/\s+/).slice(0, 2).join(' ') === b.trim().split(/\s+/).slice(0, 2).join(' ');
