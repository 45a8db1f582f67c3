import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { waitFor } from '@muster/testkit';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { makeEstate, type Estate } from '../../test/operation-samples.js';

/** A market with all its loops: what an operator orders goes through to sessions, keys, rentals, jobs, machines and people. */
let market: TestApp;
let ann: Estate;
let operator: TestAccount;
beforeAll(async () => {
  market = await createTestApp();
  ann = await makeEstate(market);
  operator = await market.makeOperator();
});
afterAll(async () => {
  ann?.agent.close();
  await market.close();
});

const asOperator = async (name: Parameters<TestApp['call']>[0], options: Parameters<TestApp['call']>[1] = {}) => {
  const { status, body } = await market.call(name, { token: operator.token, ...options });
  if (status !== 200) throw new Error(JSON.stringify(body));
  return body;
};

it('sees accounts, machines, rentals, jobs and events, page by page', async () => {
  const { items } = await asOperator('listUsers', { query: { q: ann.account.email.slice(0, 8) } });
  expect(items).toMatchObject([{ id: ann.account.id, email: ann.account.email, nodes: 2, live_rentals: 1, open_jobs: 1, suspended_at: null }]);
  expect((await asOperator('listAllNodes', { query: { q: ann.account.email } })).items.map((node: { id: string }) => node.id).toSorted()).toEqual([ann.agent.nodeId, ann.workerId].toSorted());
  expect((await asOperator('listAllRentals', { query: { q: ann.rentalId } })).items).toMatchObject([{ id: ann.rentalId, renter_email: ann.account.email, node_id: ann.agent.nodeId, released: false }]);
  expect((await asOperator('listAllJobs', { query: { q: 'HELL' } })).items).toMatchObject([{ id: ann.jobId, submitter_email: ann.account.email }]);
  const first = await asOperator('listEvents', { query: { limit: 1 } });
  const second = await asOperator('listEvents', { query: { limit: 1, cursor: first.next } });
  expect(Number(second.items[0].id)).toBeLessThan(Number(first.items[0].id));
  expect((await asOperator('listEvents', { query: { about: ann.rentalId } })).items.at(-1)).toMatchObject({ name: 'AuditEvent', actor_id: ann.account.id, actor_email: ann.account.email, payload: { action: 'rental.created' } });
  const everybody = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { items: { id: string }[]; next: string | null } = await asOperator('listUsers', { query: { limit: 1, ...(cursor && { cursor }) } });
    everybody.push(...page.items.map(({ id }) => id));
    cursor = page.next;
  }
  expect(new Set(everybody).size).toBe(everybody.length);
  expect(everybody).toEqual(expect.arrayContaining([ann.account.id, operator.id]));
});

it('sees how the parts are', async () => {
  const health = await asOperator('systemHealth');
  expect(health.dependencies).toMatchObject({ postgres: { ok: true }, redis: { ok: true } });
  expect(health.loops.map((loop: { name: string }) => loop.name)).toEqual(expect.arrayContaining(['outbox', 'presence']));
  expect(health.database_bytes).toBeGreaterThan(1_000_000);
});

describe('a node', () => {
  it('in quarantine takes nothing new until it is released, and its host is told', async () => {
    const params = { node_id: ann.agent.nodeId };
    expect(await asOperator('quarantineNode', { params, body: { reason: 'The card lies about its memory.' } })).toMatchObject({ status: 'quarantined', live_rentals: 1 });
    expect((await market.call('listNode', { token: ann.account.token, params })).status).not.toBe(500);
    expect((await market.call('searchOffers', { query: { q: `node_id=${ann.agent.nodeId}` } })).body.items).toEqual([]);
    expect((await asOperator('releaseNode', { params })).lifecycle).toBe('verified');
    expect((await market.call('releaseNode', { token: operator.token, params })).body.code).toBe('action_not_allowed');
    const told = async () => (await market.call('listNotifications', { token: ann.account.token })).body.items.map(({ kind }: { kind: string }) => kind);
    await waitFor(async () => (await told()).includes('node_released'), { what: 'the host to be told' });
    expect(await told()).toContain('node_quarantined');
  });
});

describe('a suspended account', () => {
  it('is let in nowhere, and what it has open ends', async () => {
    const params = { user_id: ann.account.id };
    const { key } = await market.makeKey(ann.account);
    expect((await market.call('suspendUser', { token: operator.token, params: { user_id: operator.id }, body: { reason: 'oneself' } })).body.code).toBe('action_not_allowed');
    const done = await asOperator('suspendUser', { params, body: { reason: 'Stolen cards.' } });
    expect(done).toMatchObject({ ended_rentals: 1, cancelled_jobs: 1, open_jobs: 0 });
    expect(done.suspended_at).not.toBeNull();
    expect((await market.call('getAccount', { token: ann.account.token })).status).toBe(401);
    expect((await market.call('getAccount', { token: key })).status).toBe(401);
    expect((await market.call('createEnrolNonce', { token: ann.hostKey })).status).toBe(401);
    expect((await market.call('signIn', { body: { email: ann.account.email, password: ann.account.password } })).body.code).toBe('bad_credentials');
    expect(await market.db.client.rental.findUnique({ where: { id: ann.rentalId }, select: { endReason: true } })).toEqual({ endReason: 'account_suspended' });
    expect((await asOperator('listAllNodes', { query: { q: ann.account.id } })).items.map((node: { status: string }) => node.status)).toEqual(['quarantined', 'quarantined']);
    expect((await asOperator('listUsers', { query: { state: 'suspended' } })).items).toHaveLength(1);
    // Cut short and asked again, it finishes; nothing is done twice.
    expect(await asOperator('suspendUser', { params, body: { reason: 'again' } })).toMatchObject({ ended_rentals: 0, cancelled_jobs: 0 });
    expect((await asOperator('listEvents', { query: { about: ann.account.id, name: 'AuditEvent' } })).items.filter((event: { payload: { action: string } }) => event.payload.action === 'user.suspended')).toHaveLength(1);

    expect((await asOperator('unsuspendUser', { params })).suspended_at).toBeNull();
    expect((await market.call('getAccount', { token: key })).status).toBe(200);
    expect((await market.call('getAccount', { token: ann.account.token })).status).toBe(401);
    expect((await asOperator('checkLedger')).ok).toBe(true);
  });
});
