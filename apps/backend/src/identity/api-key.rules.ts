import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';

export type KeyKind = 'user' | 'host';

const PREFIX = { user: 'mst_', host: 'msh_' } as const satisfies Record<KeyKind, string>;
const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** 62^32 ≈ 2^190 keys. */
const RANDOM_CHARS = 32;
const CHECK_CHARS = 6;
const FORM = /^(mst_|msh_)([0-9A-Za-z]{32})([0-9A-Za-z]{6})$/;
/** Bytes from here on are passed over: 248 is the greatest multiple of 62 in a byte, so every character is equally likely. */
const FAIR_BELOW = 248;

/** `mst_<32 random><6 checksum>`; the checksum lets a mistyped or cut key be refused without asking the database. */
export function makeKey(kind: KeyKind, randomBytes: (n: number) => Uint8Array): string {
  let random = '';
  while (random.length < RANDOM_CHARS) {
    for (const byte of randomBytes(RANDOM_CHARS)) if (byte < FAIR_BELOW) random += ALPHABET[byte % 62];
  }
  const body = PREFIX[kind] + random.slice(0, RANDOM_CHARS);
  return body + checksum(body);
}

/** Which kind of key this is; undefined when it cannot be one (form or checksum). */
export function keyKind(text: string): KeyKind | undefined {
  const match = FORM.exec(text);
  if (!match || checksum(text.slice(0, -CHECK_CHARS)) !== match[3]) return undefined;
  return match[1] === PREFIX.user ? 'user' : 'host';
}

/** True when the text wants to be a key, right or wrong. */
export const looksLikeKey = (text: string): boolean => text.startsWith(PREFIX.user) || text.startsWith(PREFIX.host);

/** What is stored instead of the key. The key has 190 random bits, so a plain hash is enough. */
export const keyHash = (key: string): Uint8Array<ArrayBuffer> => Uint8Array.from(createHash('sha256').update(key).digest());

/** Enough to recognise a key by, too little to guess it. */
export const keyHint = (key: string): string => `${key.slice(0, 8)}…${key.slice(-4)}`;

function checksum(body: string): string {
  let rest = crc32(body);
  let text = '';
  for (let i = 0; i < CHECK_CHARS; i += 1) {
    text = (ALPHABET[rest % 62] ?? '0') + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
