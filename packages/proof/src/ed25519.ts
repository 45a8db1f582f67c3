import { createPrivateKey, createPublicKey, generateKeyPairSync, sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto';

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/** The field prime 2^255 − 19 and the curve constant d of edwards25519 (RFC 8032 §5.1). */
const P = (1n << 255n) - 19n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;

/**
 * y of the points whose order divides 8: the identity, the points of order 2 and 4, and the four of order 8. Under
 * such a key one signature fits many messages, so it identifies nobody.
 */
const ORDER_8_Y = 0x5fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([0n, 1n, P - 1n, ORDER_8_Y, P - ORDER_8_Y]);

/** A checked Ed25519 public key and its one text form. */
export interface PublicKey {
  /** 32 raw bytes, base64url without padding: 43 characters. */
  readonly text: string;
  readonly key: KeyObject;
}

export interface KeyPair {
  publicKey: PublicKey;
  privateKey: KeyObject;
}

export function generateKeyPair(): KeyPair {
  return keyPairOf(generateKeyPairSync('ed25519').privateKey);
}

/** Both halves of a private key in PKCS #8 PEM. Throws when it holds no Ed25519 key. */
export function keyPairFromPem(pem: string): KeyPair {
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new TypeError('not an Ed25519 private key');
  return keyPairOf(privateKey);
}

export function privateKeyToPem(privateKey: KeyObject): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function keyPairOf(privateKey: KeyObject): KeyPair {
  const key = createPublicKey(privateKey);
  const text = key.export({ format: 'jwk' }).x;
  if (text === undefined) throw new TypeError('an Ed25519 key without a public half');
  return { privateKey, publicKey: { text, key } };
}

/**
 * Reads a public key from its text form. Undefined for anything else than 32 canonical bytes of a point of the curve
 * of large order, in canonical base64url: one key never stands under two names, and none is weak.
 */
export function parsePublicKey(text: string): PublicKey | undefined {
  const raw = decode(text, KEY_BYTES);
  if (!raw || !isStrongPoint(raw)) return undefined;
  return { text, key: createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: text } }) };
}

/** Signature over bytes (a string counts as UTF-8), base64url without padding: 86 characters. */
export function sign(privateKey: KeyObject, message: string | Uint8Array): string {
  return signBytes(null, toBytes(message), privateKey).toString('base64url');
}

/** Whether a signature in its one text form is this key's over this message. Never throws for bad input. */
export function verify(publicKey: PublicKey, message: string | Uint8Array, signature: string): boolean {
  const raw = decode(signature, SIGNATURE_BYTES);
  return raw !== undefined && verifyBytes(null, toBytes(message), publicKey.key, raw);
}

function toBytes(message: string | Uint8Array): Uint8Array {
  return typeof message === 'string' ? Buffer.from(message, 'utf8') : message;
}

/** The decoder skips what it does not know, so only text that encodes back to itself counts. */
function decode(text: string, length: number): Buffer | undefined {
  const raw = Buffer.from(text, 'base64url');
  return raw.length === length && raw.toString('base64url') === text ? raw : undefined;
}

function isStrongPoint(raw: Uint8Array): boolean {
  const y = littleEndian(raw) & ((1n << 255n) - 1n);
  return y < P && !SMALL_ORDER_Y.has(y) && isOnCurve(y);
}

/** x² = (y² − 1) / (d·y² + 1) has a root exactly when it is 0 or a quadratic residue (Euler); 0 is of small order. */
function isOnCurve(y: bigint): boolean {
  const numerator = (y * y - 1n) % P;
  const denominator = (D * y * y + 1n) % P;
  // n/d and n·d are residues together, so no inverse is needed.
  return power((((numerator * denominator) % P) + P) % P, (P - 1n) / 2n) === 1n;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * square) % P;
    square = (square * square) % P;
  }
  return result;
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
