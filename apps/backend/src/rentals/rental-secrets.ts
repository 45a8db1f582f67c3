import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { MasterKey } from '../platform/master-key.js';
import { RentalSecrets } from './rental-spec.js';

export interface HostKeyPair {
  /** OpenSSH PEM. */
  privateKey: string;
  /** `ssh-ed25519 AAAA…` */
  publicKey: string;
}

/**
 * The SSH host key of one rental: the backend makes it, so that it can tell the renter what to expect before he connects.
 * Written out here because the key maker of ssh2 1.17 writes a malformed key now and then (it takes raw bytes for a
 * number and drops or adds a leading zero).
 */
export function makeHostKey(): HostKeyPair {
  const { x = '', d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const publicRaw = Buffer.from(x, 'base64url');
  const publicBlob = Buffer.concat([sshString(ED25519), sshString(publicRaw)]);
  const check = randomBytes(4);
  const secret = Buffer.concat([check, check, publicBlob, sshString(Buffer.concat([Buffer.from(d, 'base64url'), publicRaw])), sshString('')]);
  const blob = Buffer.concat([
    Buffer.from('openssh-key-v1\0'), sshString('none'), sshString('none'), sshString(''), uint32(1), sshString(publicBlob), sshString(padded(secret)),
  ]);
  const lines = blob.toString('base64').replaceAll(/.{70}(?=.)/g, '$&\n');
  return {
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}\n-----END OPENSSH PRIVATE KEY-----\n`,
    publicKey: `${ED25519} ${publicBlob.toString('base64')}`,
  };
}

const ED25519 = 'ssh-ed25519';
/** Block size of the cipher `none`; the padding counts 1, 2, 3 … (PROTOCOL.key of OpenSSH). */
const BLOCK = 8;

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

const sshString = (bytes: Uint8Array | string): Buffer => {
  const content = Buffer.from(bytes);
  return Buffer.concat([uint32(content.length), content]);
};

const padded = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes, Buffer.from(Array.from({ length: (BLOCK - (bytes.length % BLOCK)) % BLOCK }, (_, i) => i + 1))]);

export const makeJupyterToken = (): string => randomBytes(32).toString('hex');

export const sealSecrets = (master: MasterKey, secrets: RentalSecrets): Uint8Array<ArrayBuffer> => master.seal(JSON.stringify(secrets));

export const openSecrets = (master: MasterKey, sealed: Uint8Array): RentalSecrets => RentalSecrets.parse(JSON.parse(master.openText(sealed)));
