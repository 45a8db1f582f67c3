import { createPublicKey, verify, type KeyObject } from 'node:crypto';

const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** The field prime 2^255 − 19 of Curve25519 (RFC 8032 §5.1). */
const P = (1n << 255n) - 19n;
/** `y` of a point of order 8; the other one is its negative. */
const EIGHTH = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n;
/** `y` of the points whose order divides 8: with such a key one signature fits many texts. */
const SMALL_ORDER_Y: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  P - 1n,
  EIGHTH,
  P - EIGHTH,
]);

/**
 * A node's public key from its one text form: 32 raw bytes, base64url without padding, canonical in both encodings, of
 * large order. Undefined for anything else, so that one key can never stand under two names.
 */
export function parseNodeKey(text: string): KeyObject | undefined {
  const raw = Buffer.from(text, 'base64url');
  if (raw.length !== KEY_BYTES || raw.toString('base64url') !== text) return undefined;
  const y = littleEndian(raw) & ((1n << 255n) - 1n);
  if (y >= P || SMALL_ORDER_Y.has(y)) return undefined;
  try {
    return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x: text } });
  } catch {
    return undefined;
  }
}

/** Whether `signature` (64 bytes, base64url) is this key's over the UTF-8 text. */
export function provesKey(publicKey: string, statement: string, signature: string): boolean {
  const key = parseNodeKey(publicKey);
  const bytes = Buffer.from(signature, 'base64url');
  if (!key || bytes.length !== SIGNATURE_BYTES) return false;
  return verify(null, Buffer.from(statement, 'utf8'), key, bytes);
}

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
