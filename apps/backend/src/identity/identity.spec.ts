import { decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, importJWK, jwtVerify, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp, TEST_PASSWORD, type TestAccount, type TestApp } from '../../test/app.js';
import { FakeClock } from '../platform/clock.js';
import { SigningKeys } from '../platform/signing-keys.js';
import { KEY_REVOKED_CHANNEL, Revocations } from './revocations.js';
import { SessionTokens } from './session-tokens.js';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const ED25519 = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIC me';

const clock = new FakeClock();
let market: TestApp;
let replica: TestApp;
let alice: TestAccount;
beforeAll(async () => {
  market = await createTestApp({ clock });
  replica = await createTestApp({ clock, beside: market });
});
afterAll(async () => {
  await replica.close();
  await market.close();
});
beforeEach(async () => {
  alice = await market.signUp();
});

const codeOf = (answer: { body: { code?: string } }): string | undefined => answer.body.code;
const me = (token: string, where = market) => where.call('getAccount', { token });

describe('accounts', () => {
  it('are found by e-mail in any case, once', async () => {
    const email = `Case.${Date.now()}@Example.com`;
    const made = await market.signUp(email);
    expect(made.tokens.account.email).toBe(email.toLowerCase());
    expect(codeOf(await market.call('signUp', { body: { email: email.toUpperCase(), password: TEST_PASSWORD } }))).toBe('email_taken');
    expect((await market.call('signIn', { body: { email, password: TEST_PASSWORD } })).status).toBe(200);
  });

  it('say the same of a wrong password and of no account', async () => {
    const wrong = await market.call('signIn', { body: { email: alice.email, password: 'not this one' } });
    const nobody = await market.call('signIn', { body: { email: 'nobody@example.com', password: 'not this one' } });
    expect({ ...wrong.body, request_id: '' }).toEqual({ ...nobody.body, request_id: '' });
    expect(codeOf(wrong)).toBe('bad_credentials');
  });

  it('keep argon2id hashes only', async () => {
    const row = await market.db.client.user.findUniqueOrThrow({ where: { id: alice.id } });
    expect(row.passwordHash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  });

  it('that are disabled in the database are out within the second that sessions and keys are remembered', async () => {
    const key = await market.makeKey(alice);
    await market.db.client.user.update({ where: { id: alice.id }, data: { disabledAt: clock.now() } });
    await expect.poll(async () => (await me(key.key)).status, { timeout: 10_000 }).toBe(401);
    await expect.poll(async () => (await me(alice.token)).status, { timeout: 10_000 }).toBe(401);
    expect(codeOf(await market.call('signIn', { body: { email: alice.email, password: TEST_PASSWORD } }))).toBe('bad_credentials');
  });
});

describe('session tokens', () => {
  it('have the shape of Clerk’s and are checked with the published keys', async () => {
    const header = decodeProtectedHeader(alice.token);
    const claims = decodeJwt(alice.token);
    expect(header).toMatchObject({ alg: 'RS256' });
    expect(claims).toMatchObject({ iss: 'http://muster.test', azp: 'http://muster.test', sub: alice.id, sid: alice.tokens.session_id });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(15 * 60);
    const { body } = await market.fetch('GET', '/.well-known/jwks.json');
    const jwk = body.keys.find((key: { kid: string }) => key.kid === header.kid);
    expect(Object.keys(jwk).toSorted()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
    await jwtVerify(alice.token, await importJWK(jwk, 'RS256'), { currentDate: clock.now() });
  });

  it('end after fifteen minutes and are renewed with the refresh token', async () => {
    clock.advance(16 * MINUTE_MS);
    expect(codeOf(await me(alice.token))).toBe('session_expired');
    const renewed = await market.call('refreshSession', { body: { refresh_token: alice.tokens.refresh_token } });
    expect(renewed.body.session_id).toBe(alice.tokens.session_id);
    expect((await me(renewed.body.access_token)).body.id).toBe(alice.id);
  });

  it('end with the session when a refresh token comes a second time', async () => {
    const renew = (refresh_token: string) => market.call('refreshSession', { body: { refresh_token } });
    const second = await renew(alice.tokens.refresh_token);
    expect(codeOf(await renew(alice.tokens.refresh_token))).toBe('session_expired');
    expect(codeOf(await renew(second.body.refresh_token))).toBe('session_expired');
    expect(codeOf(await me(second.body.access_token))).toBe('session_expired');
  });

  it('are renewed by exactly one of two at once', async () => {
    const renew = (where: TestApp) => where.call('refreshSession', { body: { refresh_token: alice.tokens.refresh_token } });
    const statuses = (await Promise.all([renew(market), renew(replica)])).map((answer) => answer.status).toSorted();
    expect(statuses).toEqual([200, 401]);
  });

  it('end after thirty days without use', async () => {
    clock.advance(31 * DAY_MS);
    expect(codeOf(await market.call('refreshSession', { body: { refresh_token: alice.tokens.refresh_token } }))).toBe('session_expired');
  });

  it('end at once on every replica when the session is signed out', async () => {
    expect((await me(alice.token, replica)).status).toBe(200);
    const heard = new Promise<string>((resolve) => replica.app.get(Revocations).onSessionRevoked(resolve));
    expect((await market.call('signOut', { token: alice.token })).status).toBe(200);
    expect(codeOf(await me(alice.token))).toBe('session_expired');
    expect(await heard).toBe(alice.tokens.session_id);
    expect(codeOf(await me(alice.token, replica))).toBe('session_expired');
  });

  it('are accepted over a rotation of the signing key, and not after it is gone', async () => {
    const kidOf = (token: string) => decodeProtectedHeader(token).kid;
    clock.advance(29 * DAY_MS);
    const before = await market.signUp();
    clock.advance(31 * DAY_MS);
    const after = await market.signUp();
    expect(kidOf(after.token)).not.toBe(kidOf(before.token));
    expect((await me(after.token)).status).toBe(200);
    expect((await me(after.token, replica)).status).toBe(200);
    const published = async () => (await market.app.get(SigningKeys).jwks('session')).keys.map((key) => key.kid);
    expect(await published()).toContain(kidOf(after.token));
    clock.advance(61 * DAY_MS);
    expect(await published()).not.toContain(kidOf(before.token));
  });

  describe('that were not made here', () => {
    const claims = () => {
      const now = Math.floor(clock.now().getTime() / 1000);
      return { iss: 'http://muster.test', sub: alice.id, sid: alice.tokens.session_id, azp: 'http://muster.test', iat: now, exp: now + 600 };
    };
    const ours = async (payload: object, header: object = {}) => {
      const { kid, privateKey } = await market.app.get(SigningKeys).current('session');
      return await new SignJWT({ ...payload }).setProtectedHeader({ alg: 'RS256', kid, ...header }).sign(privateKey);
    };

    it('pass with all claims in place (so the refusals below mean something)', async () => {
      expect((await me(await ours(claims()))).status).toBe(200);
    });

    it.each([
      ['another issuer', { iss: 'http://elsewhere.test' }],
      ['another site', { azp: 'http://elsewhere.test' }],
      ['no site', { azp: undefined }],
      ['no session', { sid: undefined }],
      ['a session that does not exist', { sid: '018f0000-0000-7000-8000-000000000000' }],
      ['a session id that is no id', { sid: 'sess_2abc' }],
      ['another account than the session’s', { sub: '018f0000-0000-7000-8000-000000000000' }],
      ['no end', { exp: undefined }],
    ])('are refused with %s', async (_name, change) => {
      expect((await me(await ours({ ...claims(), ...change }))).status).toBe(401);
    });

    it('are refused when another key signed them under our key id', async () => {
      const { kid } = await market.app.get(SigningKeys).current('session');
      const { privateKey } = await generateKeyPair('RS256');
      const forged = await new SignJWT(claims()).setProtectedHeader({ alg: 'RS256', kid }).sign(privateKey);
      expect((await me(forged)).status).toBe(401);
    });

    it('are refused with alg none, with HS256 under the public key, and for tunnels', async () => {
      const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
      const { kid } = await market.app.get(SigningKeys).current('session');
      expect((await me(`${encode({ alg: 'none', kid })}.${encode(claims())}.`)).status).toBe(401);
      const published = (await market.app.get(SigningKeys).jwks('session')).keys.find((key) => key.kid === kid);
      const secret = new TextEncoder().encode(JSON.stringify(published));
      expect((await me(await new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid }).sign(secret))).status).toBe(401);
      const tunnel = await market.app.get(SigningKeys).current('tunnel');
      expect((await me(await new SignJWT(claims()).setProtectedHeader({ alg: 'RS256', kid: tunnel.kid }).sign(tunnel.privateKey))).status).toBe(401);
    });

    it('pass when their issuer is registered, by the same checks', async () => {
      const pair = await generateKeyPair('RS256');
      const jwk = await exportJWK(pair.publicKey);
      market.app.get(SessionTokens).register({
        issuer: 'https://clerk.example.com',
        authorizedParties: ['http://localhost:3000'],
        publicKey: async (kid) => (kid === 'ins_1' ? jwk : undefined),
        principal: async (found) => ({ ok: true, value: { kind: 'user', userId: alice.id, sessionId: found.sid, scopes: ['read'], isOperator: false } }),
      });
      const theirs = { ...claims(), iss: 'https://clerk.example.com', sub: 'user_2abc', sid: 'sess_2abc', azp: 'http://localhost:3000' };
      const sign = (payload: object) => new SignJWT({ ...payload }).setProtectedHeader({ alg: 'RS256', kid: 'ins_1' }).sign(pair.privateKey);
      expect((await me(await sign(theirs))).body.id).toBe(alice.id);
      expect((await me(await sign({ ...theirs, azp: 'http://muster.test' }))).status).toBe(401);
    });
  });
});

describe('API keys', () => {
  it('are shown once and kept as a hash', async () => {
    const made = await market.makeKey(alice);
    expect((await me(made.key)).body.id).toBe(alice.id);
    const { body } = await market.call('listApiKeys', { token: alice.token });
    expect(JSON.stringify(body)).not.toContain(made.key);
    const row = await market.db.client.apiKey.findUniqueOrThrow({ where: { id: made.id } });
    expect(JSON.stringify({ ...row, hash: Buffer.from(row.hash).toString('hex') })).not.toContain(made.key.slice(8, 30));
  });

  it('are refused without a look-up when mistyped', async () => {
    const { key } = await market.makeKey(alice);
    const answer = await me(key.slice(0, -1) + (key.endsWith('a') ? 'b' : 'a'));
    expect(answer.body).toMatchObject({ code: 'unauthenticated', detail: expect.stringMatching(/mistyped/) });
  });

  it('do what their scopes say', async () => {
    const { key } = await market.makeKey(alice, { scopes: ['read'] });
    expect((await me(key)).status).toBe(200);
    const refused = await market.call('addSshKey', { token: key, body: { name: 'x', public_key: ED25519 } });
    expect(refused.body).toMatchObject({ code: 'scope_missing', facts: { scope: 'rent' } });
  });

  it('cannot make a key that may do more than they', async () => {
    const { key } = await market.makeKey(alice, { scopes: ['read', 'account'] });
    const make = (body: object) => market.call('createApiKey', { token: key, body: { name: 'more', ...body } });
    expect(codeOf(await make({ scopes: ['rent'] }))).toBe('scope_missing');
    expect(codeOf(await make({ kind: 'host' }))).toBe('scope_missing');
    expect((await make({ scopes: ['read'] })).status).toBe(201);
  });

  it('end at their time', async () => {
    const { key } = await market.makeKey(alice, { expires_in_s: 3600 });
    expect((await me(key)).status).toBe(200);
    clock.advance(3601_000);
    expect((await me(key)).body.detail).toMatch(/expired/);
  });

  it('are dead at once on every replica when revoked, and everybody who holds a socket hears it', async () => {
    const { id, key } = await market.makeKey(alice);
    expect((await me(key, replica)).status).toBe(200);
    const heard = new Promise<string>((resolve) => replica.app.get(Revocations).onKeyRevoked(resolve));
    expect(KEY_REVOKED_CHANNEL).toBe('key-revoked');
    const revoked = await market.call('revokeApiKey', { token: alice.token, params: { api_key_id: id } });
    expect(revoked.body.revoked_at).not.toBeNull();
    expect((await me(key)).status).toBe(401);
    expect(await heard).toBe(id);
    expect((await me(key, replica)).body.detail).toMatch(/revoked/);
    expect((await market.call('revokeApiKey', { token: alice.token, params: { api_key_id: id } })).body.revoked_at).toBe(revoked.body.revoked_at);
  });

  it('of hosts serve machines only', async () => {
    const { key } = await market.makeKey(alice, { kind: 'host' });
    expect(key).toMatch(/^msh_/);
    expect((await me(key)).status).toBe(403);
  });
});

describe('SSH keys', () => {
  it('are kept as a clean line, once per account', async () => {
    const add = (token: string) => market.call('addSshKey', { token, body: { name: 'laptop', public_key: `  ${ED25519}\n` } });
    const added = await add(alice.token);
    expect(added.body).toMatchObject({ public_key: ED25519, type: 'ssh-ed25519' });
    expect(codeOf(await add(alice.token))).toBe('key_in_use');
    const bob = await market.signUp();
    expect((await add(bob.token)).status).toBe(201);
    expect((await market.call('listSshKeys', { token: alice.token })).body.items).toHaveLength(1);
    expect((await market.call('deleteSshKey', { token: alice.token, params: { ssh_key_id: added.body.id } })).status).toBe(200);
    expect((await market.call('deleteSshKey', { token: alice.token, params: { ssh_key_id: added.body.id } })).status).toBe(404);
  });
});

describe('operators', () => {
  it('set a new password, which ends every session', async () => {
    const operator = await market.makeOperator();
    const reset = await market.call('resetPassword', { token: operator.token, body: { email: alice.email } });
    expect(reset.body.account.id).toBe(alice.id);
    expect(codeOf(await me(alice.token))).toBe('session_expired');
    expect(codeOf(await market.call('signIn', { body: { email: alice.email, password: TEST_PASSWORD } }))).toBe('bad_credentials');
    expect((await market.call('signIn', { body: { email: alice.email, password: reset.body.password } })).status).toBe(200);
    const audit = await market.db.client.outboxEvent.findFirst({ where: { aggregateId: alice.id, name: 'AuditEvent' } });
    expect(audit).toMatchObject({ actorId: operator.id, payload: { action: 'password_reset' } });
  });
});
