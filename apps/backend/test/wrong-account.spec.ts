import { operations, type ApiKeyScope, type OperationName, type OperationSpec } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FakeClock } from '../src/platform/clock.js';
import { createTestApp, type Answer, type TestAccount, type TestApp } from './app.js';
import { makeEstate, sampleOf, type Estate } from './operation-samples.js';

/**
 * Walks every operation of the catalogue with the wrong account, the wrong kind of key and no key at all.
 * An operation that is added without an owner check, or without a fixture, fails here.
 */
const clock = new FakeClock();
let market: TestApp;
let alice: Estate;
let bob: Estate;
let operator: TestAccount;
beforeAll(async () => {
  market = await createTestApp({ clock });
  alice = await makeEstate(market);
  bob = await makeEstate(market);
  operator = await market.makeOperator();
});
afterAll(async () => {
  for (const estate of [alice, bob]) estate?.agent.close();
  await market.close();
});

const all = Object.entries(operations) as [OperationName, OperationSpec][];
const owned = all.filter(([, spec]) => !['none', 'self'].includes(spec.owner));
/** A signed link is a credential of its own; that nothing else opens it is tried beside the storage. */
const guarded = all.filter(([, spec]) => !['public', 'signed_link'].includes(spec.auth.kind));
const named = (entries: typeof all): OperationName[] => entries.map(([name]) => name);

/** What the right kind of caller sends. */
const tokenFor = (spec: OperationSpec, of: Estate): string | undefined => {
  if (spec.auth.kind === 'public') return undefined;
  if (spec.auth.kind === 'operator') return operator.token;
  return spec.auth.kind === 'host' ? of.hostKey : of.account.token;
};
const call = (name: OperationName, token: string | undefined, about: Estate): Promise<Answer> => market.call(name, { token, ...sampleOf(name, about) });

/** Everything that is somebody's, less what moves by itself. */
async function snapshot(): Promise<string> {
  const { client } = market.db;
  const rows = await Promise.all([
    client.user.findMany({ orderBy: { id: 'asc' } }),
    client.session.findMany({ orderBy: { id: 'asc' } }),
    client.apiKey.findMany({ orderBy: { id: 'asc' }, omit: { lastUsedAt: true } }),
    client.sshKey.findMany({ orderBy: { id: 'asc' } }),
    client.hostNode.findMany({ orderBy: { id: 'asc' }, omit: { lastHeartbeat: true } }),
    client.rental.findMany({ orderBy: { id: 'asc' } }),
    client.rentalEvent.findMany({ orderBy: { id: 'asc' } }),
    client.tunnelPort.findMany({ where: { rentalId: { not: null } }, orderBy: { port: 'asc' } }),
    client.ledgerTransfer.findMany({ orderBy: { id: 'asc' } }),
    client.idempotencyKey.findMany({ orderBy: { key: 'asc' } }),
    client.job.findMany({ orderBy: { id: 'asc' } }),
    client.jobExecution.findMany({ orderBy: { id: 'asc' } }),
    client.upload.findMany({ orderBy: { id: 'asc' } }),
    client.template.findMany({ orderBy: { slug: 'asc' } }),
    client.nodeMaintenance.findMany({ orderBy: { id: 'asc' } }),
  ]);
  return JSON.stringify(rows, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value), 1);
}

/** Every id and name by which this person could be recognised. */
async function tracesOf({ account, agent, rentalId, sshKeyId, apiKeyId, jobId, uploadId }: Estate): Promise<string[]> {
  const transfers = await market.db.client.transaction.findMany({ where: { userId: account.id } });
  return [account.id, account.email, agent.nodeId, rentalId, sshKeyId, apiKeyId, jobId, uploadId, ...transfers.flatMap((line) => [line.id, line.transferId])];
}

describe('every operation', () => {
  it('has a fixture', () => {
    for (const [name] of all) expect(() => sampleOf(name, alice), name).not.toThrow();
    expect(owned.length).toBeGreaterThan(10);
  });

  it.each(named(guarded))('%s refuses callers without credentials, and with ones that are none', async (name) => {
    for (const token of [undefined, 'nonsense', 'mst_000', 'e30.e30.e30', operator.tokens.refresh_token]) {
      const answer = await call(name, token, alice);
      expect(answer.status, String(token)).toBe(401);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
    }
  });

  it.each(named(guarded))('%s refuses the wrong kind of key', async (name) => {
    const spec: OperationSpec = operations[name];
    const wrong = spec.auth.kind === 'host' ? [alice.account.token, operator.token] : [alice.hostKey];
    for (const token of wrong) expect((await call(name, token, alice)).body).toMatchObject({ code: 'forbidden', status: 403 });
  });

  it.each(named(guarded.filter(([, spec]) => spec.auth.kind === 'user' || spec.auth.kind === 'operator')))('%s refuses an API key without its scope', async (name) => {
    const { auth }: OperationSpec = operations[name];
    const scope = auth.kind === 'user' ? auth.scope : 'account';
    const scopes = (['read', 'rent', 'host', 'account'] satisfies ApiKeyScope[]).filter((one) => one !== scope);
    const { key } = await market.makeKey(auth.kind === 'operator' ? operator : alice.account, { scopes });
    expect((await call(name, key, alice)).body).toMatchObject({ code: 'scope_missing', status: 403, facts: { scope } });
  });

  it.each(named(guarded.filter(([, spec]) => spec.auth.kind === 'operator')))('%s is for operators only', async (name) => {
    const before = await snapshot();
    expect((await call(name, alice.account.token, bob)).body).toMatchObject({ code: 'forbidden', status: 403 });
    expect(await snapshot()).toBe(before);
  });
});

describe('another account’s thing', () => {
  it.each(named(owned))('%s: is not found, and nothing changes', async (name) => {
    const before = await snapshot();
    const answer = await call(name, tokenFor(operations[name], bob), alice);
    expect([403, 404], JSON.stringify(answer.body)).toContain(answer.status);
    expect(await snapshot()).toBe(before);
    for (const trace of await tracesOf(alice)) {
      const asked = Object.values(sampleOf(name, alice).params);
      if (!asked.includes(trace)) expect(JSON.stringify(answer.body)).not.toContain(trace);
    }
  });

  it.each(named(owned))('%s: an operator has no special way in either', async (name) => {
    if (operations[name].auth.kind === 'host') return;
    const before = await snapshot();
    const answer = await call(name, operator.token, alice);
    expect([403, 404], JSON.stringify(answer.body)).toContain(answer.status);
    expect(await snapshot()).toBe(before);
  });

  it.each(named(owned))('%s: is not told apart from a thing that does not exist', async (name) => {
    const sample = sampleOf(name, alice);
    const nowhere = Object.values(sample.params).reduce((text, id) => text.replaceAll(id, '018f0000-0000-7000-8000-000000000000'), JSON.stringify(sample));
    const token = tokenFor(operations[name], bob);
    const [foreign, missing] = [await call(name, token, alice), await market.call(name, { token, ...JSON.parse(nowhere) })];
    const plain = (answer: Answer) => ({ ...answer.body, request_id: '' });
    expect(plain(foreign)).toEqual(plain(missing));
  });
});

describe('what belongs to oneself', () => {
  it.each(named(all.filter(([, spec]) => spec.owner === 'self' && spec.method === 'GET')))('%s: shows the caller’s own and nobody else’s', async (name) => {
    const spec = operations[name];
    const mine = await call(name, tokenFor(spec, alice), alice);
    expect(mine.status).toBe(200);
    const text = JSON.stringify(mine.body);
    for (const trace of await tracesOf(bob)) expect(text, trace).not.toContain(trace);
    if (Array.isArray(mine.body.items)) expect(mine.body.items.length).toBeGreaterThan(0);
  });

  it.each(named(all.filter(([, spec]) => spec.owner === 'self' && spec.method !== 'GET')))('%s: changes nothing of another account’s, also when told its ids', async (name) => {
    const rowsOfAlice = async () => {
      const where = { userId: alice.account.id };
      const { client } = market.db;
      return JSON.stringify(await Promise.all([
        client.session.findMany({ where }), client.apiKey.count({ where }), client.sshKey.count({ where }), client.transaction.count({ where }),
        client.rental.count({ where: { renterId: alice.account.id } }), client.job.count({ where: { submittedBy: alice.account.id } }), client.hostNode.count({ where: { ownerId: alice.account.id } }),
      ]), (_key, value: unknown) => (value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value));
    };
    const before = await rowsOfAlice();
    const spare = { ...bob, account: await market.signUp() };
    const answer = await call(name, spec(name).auth.kind === 'host' ? bob.hostKey : spare.account.token, alice);
    expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(500);
    expect(await rowsOfAlice()).toBe(before);
  });

  const spec = (name: OperationName): OperationSpec => operations[name];
});

describe('the right account', () => {
  // Last, since some of them end the thing: the refusals above mean something only if the owner is let in.
  it.each(named(owned))('%s: lets the owner in', async (name) => {
    const fresh = name === 'retireNode' || operations[name].method === 'DELETE' ? await makeEstate(market) : alice;
    const answer = await call(name, tokenFor(operations[name], fresh), fresh);
    expect([401, 403, 404, 422], JSON.stringify(answer.body)).not.toContain(answer.status);
    if (fresh !== alice) fresh.agent.close();
  });
});
