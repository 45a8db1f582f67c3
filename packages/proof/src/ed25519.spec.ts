import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mayBeLeftOut, sharedData } from '../test/shared-data.js';
import { generateKeyPair, keyPairFromPem, parsePublicKey, privateKeyToPem, sign, verify } from './ed25519.js';
import { sha256Hex } from './sha256.js';

const vectors = sharedData('vectors', 'wycheproof', 'ed25519_test.json');

function key(hex: string) {
  return parsePublicKey(Buffer.from(hex, 'hex').toString('base64url'));
}

describe('Ed25519', () => {
  it('signs and verifies; another message, key or signature does not', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(63), (message, at) => {
        const { publicKey, privateKey } = generateKeyPair();
        const signature = sign(privateKey, message);
        const bent = Buffer.from(signature, 'base64url');
        bent[at] = (bent[at] ?? 0) ^ 1;
        expect(verify(publicKey, message, signature)).toBe(true);
        expect(verify(publicKey, message, bent.toString('base64url'))).toBe(false);
        expect(verify(publicKey, Buffer.concat([message, Buffer.of(0)]), signature)).toBe(false);
        expect(verify(generateKeyPair().publicKey, message, signature)).toBe(false);
      }),
      { numRuns: 50 },
    );
  });

  it('comes back from PEM and from the text of its public half', () => {
    const pair = generateKeyPair();
    const again = keyPairFromPem(privateKeyToPem(pair.privateKey));
    expect(again.publicKey.text).toBe(pair.publicKey.text);
    const read = parsePublicKey(pair.publicKey.text);
    expect(read && verify(read, 'ok', sign(again.privateKey, 'ok'))).toBe(true);
  });

  it('gives the signature of RFC 8032, test 2', () => {
    const seed = '302e020100300506032b6570042204204ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb';
    const pem = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(seed, 'hex').toString('base64')}\n-----END PRIVATE KEY-----\n`;
    const pair = keyPairFromPem(pem);
    expect(pair.publicKey.text).toBe(Buffer.from('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'hex').toString('base64url'));
    expect(Buffer.from(sign(pair.privateKey, Buffer.of(0x72)), 'base64url').toString('hex')).toBe(
      '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    );
  });

  it.each([
    ['the identity', '0100000000000000000000000000000000000000000000000000000000000000'],
    ['the identity with a sign', '0100000000000000000000000000000000000000000000000000000000000080'],
    ['order 2', 'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['order 4', '0000000000000000000000000000000000000000000000000000000000000000'],
    ['order 4, the other', '0000000000000000000000000000000000000000000000000000000000000080'],
    ['order 8', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'],
    ['order 8, the second', '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85'],
    ['order 8, the third', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'],
    ['order 8, the fourth', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa'],
    ['y = p, which is 0 written another way', 'edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['y = p + 1', 'eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'],
    ['y = 2^255 − 1 with a sign', 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'],
    ['y = 2, no point of the curve', '0200000000000000000000000000000000000000000000000000000000000000'],
  ])('refuses a public key that is %s', (_name, hex) => {
    expect(key(hex)).toBeUndefined();
  });

  it('refuses every other text form of a key and of a signature', () => {
    const { publicKey, privateKey } = generateKeyPair();
    const signature = sign(privateKey, 'm');
    const forms = (text: string) => [`${text}=`, ` ${text}`, `${text}\n`, text.slice(1), `${text}A`, Buffer.from(text, 'base64url').toString('hex'), ''];
    for (const text of forms(publicKey.text)) expect(parsePublicKey(text), text).toBeUndefined();
    for (const text of forms(signature)) expect(verify(publicKey, 'm', text), text).toBe(false);
  });
});

it('SHA-256 of what `echo hello` prints', () => {
  expect(sha256Hex('hello\n')).toBe('5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03');
});

interface VectorFile {
  testGroups: { publicKey: { pk: string }; tests: { tcId: number; comment: string; msg: string; sig: string; result: 'valid' | 'invalid' }[] }[];
}

describe.skipIf(mayBeLeftOut(vectors))('published vectors of Wycheproof (needs the shared data folder)', () => {
  it('are judged as their authors do', () => {
    const { testGroups } = JSON.parse(readFileSync(vectors, 'utf8')) as VectorFile;
    const judged = testGroups.flatMap(({ publicKey, tests }) =>
      tests.map(({ tcId, comment, msg, sig, result }) => {
        const read = key(publicKey.pk);
        const valid = read !== undefined && verify(read, Buffer.from(msg, 'hex'), Buffer.from(sig, 'hex').toString('base64url'));
        return { tcId, comment, agrees: valid === (result === 'valid') };
      }),
    );
    expect(judged.length).toBeGreaterThanOrEqual(150);
    expect(judged.filter((one) => !one.agrees)).toEqual([]);
  });
});
