import { randomBytes } from 'node:crypto';
import ssh2 from 'ssh2';
import type { MasterKey } from '../platform/master-key.js';
import { RentalSecrets } from './rental-spec.js';

export interface HostKeyPair {
  /** OpenSSH PEM. */
  privateKey: string;
  /** `ssh-ed25519 AAAA…` */
  publicKey: string;
}

/** The SSH host key of one rental: the backend makes it, so that it can tell the renter what to expect before he connects. */
export function makeHostKey(): HostKeyPair {
  const pair = ssh2.utils.generateKeyPairSync('ed25519');
  const [type = '', blob = ''] = pair.public.split(' ');
  return { privateKey: pair.private, publicKey: `${type} ${blob}` };
}

export const makeJupyterToken = (): string => randomBytes(32).toString('hex');

export const sealSecrets = (master: MasterKey, secrets: RentalSecrets): Uint8Array<ArrayBuffer> => master.seal(JSON.stringify(secrets));

export const openSecrets = (master: MasterKey, sealed: Uint8Array): RentalSecrets => RentalSecrets.parse(JSON.parse(master.openText(sealed)));
