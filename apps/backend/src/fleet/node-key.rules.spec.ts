import { generateKeyPairSync, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { parseNodeKey, provesKey } from './node-key.rules.js';

const P = (1n << 255n) - 19n;
const encode = (y: bigint, sign = 0): string => {
  const bytes = Buffer.alloc(32);
  for (let i = 0; i < 32; i += 1) bytes[i] = Number((y >> BigInt(8 * i)) & 0xffn);
  bytes[31] = (bytes[31] ?? 0) | (sign << 7);
  return bytes.toString('base64url');
};
const pair = generateKeyPairSync('ed25519');
const publicKey = pair.publicKey.export({ format: 'jwk' }).x ?? '';
const signed = (text: string): string => sign(null, Buffer.from(text), pair.privateKey).toString('base64url');

describe('node key', () => {
  it('takes an ordinary key', () => expect(parseNodeKey(publicKey)).toBeDefined());

  it.each([0n, 1n, P - 1n, P, P + 1n, 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n, 0x7a03ac9277fdc74ec6cc392cfa53202a0f67100d760b3cba4fd84d3d706a17c7n])(
    'refuses the small-order or non-canonical y %s with either sign',
    (y) => {
      expect(parseNodeKey(encode(y, 0))).toBeUndefined();
      expect(parseNodeKey(encode(y, 1))).toBeUndefined();
    },
  );

  it.each(['', 'AAAA', `${publicKey}=`, publicKey.slice(1), `${publicKey.slice(0, -1)}!`])('refuses the text %j', (text) => {
    expect(parseNodeKey(text)).toBeUndefined();
  });

  it('refuses a second spelling of the same bytes', () => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const last = alphabet.indexOf(publicKey.at(-1) ?? '');
    const other = publicKey.slice(0, -1) + alphabet[last ^ 1];
    expect(Buffer.from(other, 'base64url')).toEqual(Buffer.from(publicKey, 'base64url'));
    expect(parseNodeKey(other)).toBeUndefined();
  });
});

describe('proof of a key', () => {
  it('holds for the signed text', () => expect(provesKey(publicKey, 'a', signed('a'))).toBe(true));
  it('fails for another text', () => expect(provesKey(publicKey, 'b', signed('a'))).toBe(false));
  it('fails for a broken signature', () => expect(provesKey(publicKey, 'a', 'AAAA')).toBe(false));
  it('fails for another key', () => {
    const other = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }).x ?? '';
    expect(provesKey(other, 'a', signed('a'))).toBe(false);
  });
});
