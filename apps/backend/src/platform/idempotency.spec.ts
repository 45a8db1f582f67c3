import type { Request } from 'express';
import { operations } from '@muster/shared-types';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { FakeClock } from './clock.js';
import { Idempotency, type Attempt } from './idempotency.js';
import { newId } from './ids.js';
import { stateOf } from './request-state.js';
import { withTx } from './tx.js';

const clock = new FakeClock();
let market: TestApp;
let replica: TestApp;
let operator: TestAccount;
let alice: TestAccount;
beforeAll(async () => {
  market = await createTestApp({ clock });
  replica = await createTestApp({ clock, beside: market });
  operator = await market.makeOperator();
});
afterAll(async () => {
  await replica.close();
  await market.close();
});
beforeEach(async () => {
  alice = await market.signUp();
});

const grant = (key: string, amount: string, where = market) =>
  where.call('grantCredit', { token: operator.token, body: { email: alice.email, amount_usd: amount }, headers: { 'idempotency-key': key } });
const balance = async () => (await market.call('getBalance', { token: alice.token })).body.balance_usd;

describe('a POST with an Idempotency-Key', () => {
  it('is done once and answered the same, in whatever order its fields come', async () => {
    const key = newId();
    const first = await grant(key, '5');
    const again = await grant(key, '5', replica);
    const reordered = await market.call('grantCredit', { token: operator.token, body: { amount_usd: '5', email: alice.email }, headers: { 'idempotency-key': key } });
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect(reordered.body).toEqual(first.body);
    expect(first.headers.get('idempotent-replayed')).toBeNull();
    expect(again.headers.get('idempotent-replayed')).toBe('true');
    expect(await balance()).toBe('5.000000');
  });

  it('is refused with another body', async () => {
    const key = newId();
    await grant(key, '5');
    expect((await grant(key, '6')).body).toMatchObject({ code: 'idempotency_conflict', status: 422 });
    expect(await balance()).toBe('5.000000');
  });

  it('is done once by twenty at the same time on two replicas; the others replay or wait their turn', async () => {
    const key = newId();
    const answers = await Promise.all(Array.from({ length: 20 }, (_none, n) => grant(key, '5', n % 2 ? market : replica)));
    expect(new Set(answers.map((answer) => (answer.status === 201 ? 201 : answer.body.code)))).toEqual(new Set(answers.some((answer) => answer.status === 409) ? [201, 'idempotency_in_flight'] : [201]));
    for (const answer of answers) if (answer.status === 409) expect(answer.headers.get('retry-after')).toBe('1');
    expect((await grant(key, '5')).status).toBe(201);
    expect(await balance()).toBe('5.000000');
  });

  it('may be tried again with the same key after it was refused', async () => {
    const key = newId();
    const email = `later-${key}@example.com`;
    const send = () => market.call('grantCredit', { token: operator.token, body: { email, amount_usd: '5' }, headers: { 'idempotency-key': key } });
    expect((await send()).body.code).toBe('not_found');
    await market.signUp(email);
    expect((await send()).status).toBe(201);
  });

  it('has keys of its own per account', async () => {
    const key = newId();
    const other = await market.makeOperator();
    await grant(key, '5');
    const theirs = await market.call('grantCredit', { token: other.token, body: { email: alice.email, amount_usd: '7' }, headers: { 'idempotency-key': key } });
    expect(theirs.status).toBe(201);
  });

  it('without one is done every time', async () => {
    const body = { email: alice.email, amount_usd: '1' };
    for (let n = 0; n < 2; n += 1) await market.call('grantCredit', { token: operator.token, body });
    expect(await balance()).toBe('2.000000');
  });

  it('is refused when the key is not one', async () => {
    expect((await grant('has spaces in it', '5')).body.code).toBe('invalid_request');
    expect((await grant('x'.repeat(201), '5')).body.code).toBe('invalid_request');
  });
});

describe('a process that is killed', () => {
  const answer = () => ({ user_id: alice.id, email: alice.email, granted_usd: '5.000000', balance_usd: '5.000000' });

  /** The request as far as the idempotency of it goes, so that it can be abandoned at any point. */
  async function begin(key: string): Promise<Attempt> {
    const request = { headers: { 'idempotency-key': key } } as unknown as Request;
    Object.assign(stateOf(request), { principal: { kind: 'user', userId: operator.id, scopes: [], isOperator: true }, input: { params: undefined, query: undefined, body: { a: 1 } } });
    const attempt = await market.app.get(Idempotency).begin(operations.grantCredit, request);
    if (!attempt) throw new Error('no attempt');
    return attempt;
  }
  const work = (attempt: Attempt, mark: string) =>
    withTx(market.db, async (tx) => {
      await tx.sshKey.create({ data: { id: newId(), userId: alice.id, name: mark, publicKey: mark, fingerprint: mark } });
      await attempt.save(tx, answer());
    });
  const marks = () => market.db.client.sshKey.count({ where: { userId: alice.id } });

  it('between commit and answer: the next request replays', async () => {
    const key = newId();
    await work(await begin(key), 'first');
    const next = await begin(key);
    expect(next.replay?.body).toEqual(answer());
    expect(await marks()).toBe(1);
  });

  it('before commit: the key is free again after a minute, not before', async () => {
    const key = newId();
    await begin(key);
    await expect(begin(key)).rejects.toMatchObject({ problem: { code: 'idempotency_in_flight' } });
    clock.advance(61_000);
    await work(await begin(key), 'second');
    expect(await marks()).toBe(1);
  });

  it('only in appearance: the late one is rolled back, since its key was taken over', async () => {
    const key = newId();
    const slow = await begin(key);
    clock.advance(61_000);
    await work(await begin(key), 'quick');
    await expect(work(slow, 'slow')).rejects.toMatchObject({ problem: { code: 'idempotency_in_flight' } });
    await slow.failed();
    expect((await begin(key)).replay?.body).toEqual(answer());
    expect(await marks()).toBe(1);
  });
});
