import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectStatement, enrolStatement } from '@muster/shared-types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadOrCreateIdentity } from './identity.js';

let root: string;
let path: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'muster-identity-'));
  path = join(root, 'identity.key');
});
afterEach(() => rm(root, { recursive: true, force: true }));

const verifies = (publicKey: string, statement: string, signature: string): boolean =>
  verify(
    null,
    Buffer.from(statement),
    createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: publicKey }, format: 'jwk' }),
    Buffer.from(signature, 'base64url'),
  );

describe('the node key', () => {
  it('is made once, private, and stays the same', async () => {
    const made = await loadOrCreateIdentity(path);
    expect(made.publicKey).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await loadOrCreateIdentity(path)).publicKey).toBe(made.publicKey);
    expect(await readdir(root)).toEqual(['identity.key']);
  });

  it('is one key when two agents start at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => loadOrCreateIdentity(path)));
    expect(new Set(all.map(({ publicKey }) => publicKey)).size).toBe(1);
    expect(await readdir(root)).toEqual(['identity.key']);
  });

  it('signs connect and enrolment, each only for itself', async () => {
    const identity = await loadOrCreateIdentity(path);
    const { publicKey } = identity;
    expect(verifies(publicKey, connectStatement('nonce', 'node'), identity.signConnect('nonce', 'node'))).toBe(true);
    expect(verifies(publicKey, enrolStatement('nonce', publicKey), identity.signEnrol('nonce'))).toBe(true);
    expect(verifies(publicKey, connectStatement('nonce', publicKey), identity.signEnrol('nonce'))).toBe(false);
    expect(verifies(publicKey, connectStatement('nonce', 'other'), identity.signConnect('nonce', 'node'))).toBe(false);
  });

  it('is closed again when somebody opened it to others', async () => {
    await loadOrCreateIdentity(path);
    await chmod(path, 0o644);
    await loadOrCreateIdentity(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it.each([
    ['nothing', () => ''],
    ['half a key', () => '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQ'],
    [
      'a key of another kind',
      () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    ],
  ])('is never replaced when the file holds %s', async (_, content) => {
    const text = content();
    await writeFile(path, text);
    await expect(loadOrCreateIdentity(path)).rejects.toThrow(/holds no Ed25519 private key/);
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('shows no private part', async () => {
    const identity = await loadOrCreateIdentity(path);
    const secret = (await readFile(path, 'utf8')).split('\n')[1] ?? 'none';
    expect(JSON.stringify(identity)).not.toContain(secret);
  });
});
