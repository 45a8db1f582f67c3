import { canonicalJson, type JsonValue } from './canonical-json.js';
import { type PublicKey, verify } from './ed25519.js';
import { merkleRoot } from './merkle.js';

/** Merkle root, 64 hex digits, over the canonical JSON of each leaf in its order. */
export function rootOfJson(leaves: readonly JsonValue[]): string {
  return merkleRoot(leaves.map((leaf) => canonicalJson(leaf))).toString('hex');
}

/** The text that is signed: a domain prefix, so that no signature counts for another purpose, and canonical JSON. */
export const signedText = (domain: string, statement: JsonValue): string => domain + canonicalJson(statement);

export interface BatchHead {
  root: string;
  count: number;
}

export interface BatchToSign {
  /** Signs UTF-8 text, as `sign(privateKey, text)` does. */
  sign: (text: string) => string;
  domain: string;
  leaves: readonly JsonValue[];
  /** What is signed of the batch; must name root and count. */
  statement: (head: BatchHead) => JsonValue;
}

/** One signature over many leaves. */
export function signBatch({ sign, domain, leaves, statement }: BatchToSign): BatchHead & { signature: string } {
  const head = { root: rootOfJson(leaves), count: leaves.length };
  return { ...head, signature: sign(signedText(domain, statement(head))) };
}

export interface BatchToVerify {
  publicKey: PublicKey;
  domain: string;
  leaves: readonly JsonValue[];
  statement: (head: BatchHead) => JsonValue;
  /** As claimed. */
  root: string;
  count: number;
  signature: string;
}

export type BatchVerdict = 'ok' | 'wrong_count' | 'wrong_root' | 'wrong_signature';

/** Whether leaves, root, count and signature belong together under this key. */
export function verifyBatch({ publicKey, domain, leaves, statement, root, count, signature }: BatchToVerify): BatchVerdict {
  if (count !== leaves.length) return 'wrong_count';
  if (root !== rootOfJson(leaves)) return 'wrong_root';
  return verify(publicKey, signedText(domain, statement({ root, count })), signature) ? 'ok' : 'wrong_signature';
}
