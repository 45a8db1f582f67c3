import { join } from 'node:path';
import type { ConnectionInfo } from '@muster/shared-types';
import { z } from 'zod';
import type { CliConfig } from '../config.js';
import { personalDir } from './access.js';
import { readText, writePersonal } from './personal-files.js';

/** What OpenSSH needs for one rental: its own known_hosts file, and the private key that was chosen at rent. */
export interface SshFiles {
  knownHosts: string;
  identity: string | null;
}

const Identity = z.object({ identity: z.string().nullable() });

const folderOf = (config: CliConfig, rentalId: string): string => join(personalDir(config), 'rentals', rentalId);

/** Remembers which private key goes with a rental. */
export const rememberIdentity = (config: CliConfig, rentalId: string, identity: string | null): Promise<void> =>
  writePersonal(config, join(folderOf(config, rentalId), 'login.json'), `${JSON.stringify({ identity })}\n`);

/** Writes the one line by which the instance proves itself, and finds the key to log in with. */
export async function sshFiles(config: CliConfig, rentalId: string, connection: ConnectionInfo): Promise<SshFiles> {
  const knownHosts = join(folderOf(config, rentalId), 'known_hosts');
  await writePersonal(config, knownHosts, `${connection.ssh?.known_hosts ?? ''}\n`);
  const login = await readText(join(folderOf(config, rentalId), 'login.json'));
  return { knownHosts, identity: login === null ? null : Identity.parse(JSON.parse(login)).identity };
}

/** Strict: only the host key that the market handed out is accepted, nothing is learned on the way. */
export const strictOptions = (files: SshFiles): string[] => [
  '-o', 'StrictHostKeyChecking=yes',
  '-o', `UserKnownHostsFile=${files.knownHosts}`,
  '-o', 'GlobalKnownHostsFile=/dev/null',
  '-o', 'UpdateHostKeys=no',
  ...(files.identity ? ['-i', files.identity, '-o', 'IdentitiesOnly=yes'] : []),
];
