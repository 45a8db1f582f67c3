import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { keyHash, keyHint, keyKind, makeKey } from './api-key.rules.js';

it('makes keys that say their kind', () => {
  expect(makeKey('user', randomBytes)).toMatch(/^mst_[0-9A-Za-z]{38}$/);
  expect(keyKind(makeKey('user', randomBytes))).toBe('user');
  expect(keyKind(makeKey('host', randomBytes))).toBe('host');
});

it('refuses every key with one wrong character', () => {
  const letters = fc.constantFrom(...'0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');
  fc.assert(
    fc.property(fc.nat(37), letters, fc.constantFrom('user' as const, 'host' as const), (at, letter, kind) => {
      const key = makeKey(kind, randomBytes);
      const wrong = key.slice(0, 4 + at) + letter + key.slice(5 + at);
      return wrong === key || keyKind(wrong) === undefined;
    }),
  );
});

it('refuses a key of the other kind with the same characters, a cut one and strangers', () => {
  const key = makeKey('user', randomBytes);
  expect(keyKind(key.replace('mst_', 'msh_'))).toBeUndefined();
  expect(keyKind(key.slice(0, -1))).toBeUndefined();
  expect(keyKind(`${key} `)).toBeUndefined();
  expect(keyKind('')).toBeUndefined();
});

it('never repeats itself and hints at little', () => {
  const keys = Array.from({ length: 200 }, () => makeKey('user', randomBytes));
  expect(new Set(keys).size).toBe(200);
  const key = keys[0] ?? '';
  expect(keyHint(key)).toHaveLength(13);
  expect(Buffer.from(keyHash(key)).toString('latin1')).not.toContain(key.slice(4, 12));
});
