import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { chmod, link, open, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { connectStatement, enrolStatement } from '@muster/shared-types';
import { isMissing, syncDir } from './state-dir.js';

/** The node's own key. The private half stays in this object and in its file. */
export interface NodeIdentity {
  /** The raw 32-byte Ed25519 public key, base64url without padding: 43 characters. */
  readonly publicKey: string;
  /** Ed25519 over the UTF-8 text, base64url without padding: 86 characters. */
  sign(statement: string): string;
  /** Answer to the server's nonce at connect. */
  signConnect(nonce: string, nodeId: string): string;
  /** Proof of the key at enrolment. */
  signEnrol(nonce: string): string;
}

/**
 * Loads the key at `path` (PKCS #8 PEM, mode 0600) or makes one. Two agents that start at once end with one key: the
 * file appears whole or not at all, and the first one stays. A file that holds no Ed25519 key throws and is left as it
 * is, because a new key would be another node.
 */
export async function loadOrCreateIdentity(path: string): Promise<NodeIdentity> {
  const pem = (await readKey(path)) ?? (await createKey(path));
  return identityOf(parseKey(pem, path));
}

async function readKey(path: string): Promise<string | null> {
  try {
    const pem = await readFile(path, 'utf8');
    await chmod(path, 0o600);
    return pem;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function createKey(path: string): Promise<string> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const draft = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await writeDraft(draft, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString());
    await link(draft, path); // fails when the file exists, unlike rename
    await syncDir(dirname(path));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
  } finally {
    await rm(draft, { force: true });
  }
  return readFile(path, 'utf8');
}

async function writeDraft(path: string, pem: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(pem);
    await file.sync();
  } finally {
    await file.close();
  }
}

function parseKey(pem: string, path: string): KeyObject {
  const wrong = `${path} holds no Ed25519 private key. Put the right file back; if it is lost, remove it and enrol this machine as a new node.`;
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw new Error(wrong, { cause: error });
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new Error(wrong);
  return key;
}

function identityOf(key: KeyObject): NodeIdentity {
  const publicKey = createPublicKey(key).export({ format: 'jwk' }).x;
  if (publicKey === undefined) throw new Error('an Ed25519 key without a public half');
  const signText = (statement: string): string => sign(null, Buffer.from(statement, 'utf8'), key).toString('base64url');
  return {
    publicKey,
    sign: signText,
    signConnect: (nonce, nodeId) => signText(connectStatement(nonce, nodeId)),
    signEnrol: (nonce) => signText(enrolStatement(nonce, publicKey)),
  };
}
