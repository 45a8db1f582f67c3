import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/app.js';
import { Housekeeping } from './housekeeping.js';
import { Singletons } from './leases.js';
import { MasterKey } from './master-key.js';
import { newId } from './ids.js';
import { emitEvent, EVENTS_CHANNEL, Outbox, type OutboxRow } from './outbox.js';
import { RateLimit } from './rate-limit.js';
import { Redis } from './redis.js';
import { withTx } from './tx.js';

let market: TestApp;
let replica: TestApp;
beforeAll(async () => {
  market = await createTestApp();
  replica = await createTestApp({ beside: market });
});
afterAll(async () => {
  await replica.close();
  await market.close();
});

describe('housekeeping', () => {
  it('forgets what nobody can use any more, and nothing else', async () => {
    const { client } = market.db;
    const { id: userId } = await market.signUp();
    const now = new Date();
    const ago = (hours: number) => new Date(now.getTime() - hours * 3_600_000);
    const key = (name: string, createdAt: Date) => ({ userId, key: name, requestHash: '', lockToken: newId(), lockedUntil: createdAt, createdAt });
    await client.idempotencyKey.createMany({ data: [key('old', ago(49)), key('young', ago(47))] });
    const session = (expiresAt: Date) => ({ id: newId(), userId, refreshHash: Uint8Array.from(Buffer.from(newId())), expiresAt });
    const [over, live] = [session(ago(24 * 31)), session(ago(24 * 29))];
    await client.session.createMany({ data: [over, live] });
    await market.app.get(Housekeeping).sweep(now);
    expect((await client.idempotencyKey.findMany({ where: { userId } })).map((row) => row.key)).toEqual(['young']);
    const left = (await client.session.findMany({ where: { userId } })).map((row) => row.id);
    expect(left).toContain(live.id);
    expect(left).not.toContain(over.id);
  });
});

describe('metrics without a token', () => {
  it('are for callers on this machine, not for those behind a proxy on it', async () => {
    expect((await market.fetch('GET', '/metrics')).status).toBe(200);
    expect((await market.fetch('GET', '/metrics', { headers: { 'x-forwarded-for': '203.0.113.9' } })).body.code).toBe('forbidden');
  });
});

describe('the master key', () => {
  it('seals so that nobody else can open or change', () => {
    const master = market.app.get(MasterKey);
    const sealed = master.seal('a secret');
    expect(Buffer.from(sealed).toString('latin1')).not.toContain('secret');
    expect(master.openText(sealed)).toBe('a secret');
    expect(Buffer.from(master.seal('a secret'))).not.toEqual(Buffer.from(sealed));
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = sealed.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect(() => master.open(changed)).toThrow();
    }
  });
});

describe('the outbox', () => {
  const emit = (aggregateId: string, n: number) =>
    withTx(market.db, (tx) => emitEvent(tx, { name: 'AuditEvent', aggregateId, payload: { n } }));
  const numbersOf = (rows: OutboxRow[]) => rows.map((row) => (row.payload as { n: number }).n);

  it('delivers every committed event once in order, here or on the other replica, and to all through Redis', async () => {
    const aggregateId = newId();
    const heard: OutboxRow[] = [];
    const fanned: number[] = [];
    for (const { app } of [market, replica]) {
      app.get(Outbox).on('AuditEvent', async (row) => void (row.aggregateId === aggregateId && heard.push(row)));
    }
    await replica.app.get(Redis).subscribe(EVENTS_CHANNEL, (text) => {
      const row = JSON.parse(text) as { aggregateId: string; payload: { n: number } };
      if (row.aggregateId === aggregateId) fanned.push(row.payload.n);
    });
    for (let n = 0; n < 20; n += 1) await emit(aggregateId, n);
    market.app.get(Outbox).wake();
    const wanted = Array.from({ length: 20 }, (_none, n) => n);
    await expect.poll(() => numbersOf(heard), { timeout: 30_000 }).toEqual(wanted);
    await expect.poll(() => fanned, { timeout: 30_000 }).toEqual(wanted);
    await expect.poll(() => market.db.client.outboxEvent.count({ where: { aggregateId, publishedAt: null } }), { timeout: 30_000 }).toBe(0);
  });

  it('has nothing of a transaction that was rolled back', async () => {
    const aggregateId = newId();
    const rolledBack = withTx(market.db, async (tx) => {
      await emitEvent(tx, { name: 'AuditEvent', aggregateId, payload: {} });
      throw new Error('no');
    });
    await expect(rolledBack).rejects.toThrow();
    expect(await market.db.client.outboxEvent.count({ where: { aggregateId } })).toBe(0);
  });

  it('tries again when a subscriber fails', async () => {
    const aggregateId = newId();
    const tries: number[] = [];
    for (const { app } of [market, replica]) {
      app.get(Outbox).on('PaymentReceived', async (row) => {
        if (row.aggregateId !== aggregateId) return;
        tries.push(1);
        if (tries.length < 3) throw new Error('not yet');
      });
    }
    await withTx(market.db, (tx) => emitEvent(tx, { name: 'PaymentReceived', aggregateId, payload: {} }));
    market.app.get(Outbox).wake();
    await expect.poll(() => market.db.client.outboxEvent.count({ where: { aggregateId, publishedAt: null } }), { timeout: 30_000 }).toBe(0);
    expect(tries).toHaveLength(3);
  });
});

describe('a singleton', () => {
  it('runs on one replica at a time and moves when its holder stops', async () => {
    const ran: string[] = [];
    const start = (where: TestApp, who: string) =>
      where.app.get(Singletons).every({ name: 'test-loop', everyMs: 5, run: async () => void ran.push(who) });
    const first = start(market, 'first');
    await expect.poll(() => ran.length, { timeout: 30_000 }).toBeGreaterThan(3);
    const second = start(replica, 'second');
    await expect.poll(() => ran.length, { timeout: 30_000 }).toBeGreaterThan(10);
    expect(new Set(ran)).toEqual(new Set(['first']));
    await first.stop();
    ran.length = 0;
    await expect.poll(() => ran.length, { timeout: 30_000 }).toBeGreaterThan(3);
    expect(new Set(ran)).toEqual(new Set(['second']));
    await second.stop();
    expect(await market.db.client.leaderLease.count({ where: { name: 'test-loop' } })).toBe(0);
  });

  it('is told when its lease is lost, in the middle of its work', async () => {
    let lost = false;
    const loop = market.app.get(Singletons).every({
      name: 'robbed-loop', everyMs: 5, leaseMs: 300,
      run: async (signal) => {
        await market.db.client.leaderLease.update({ where: { name: 'robbed-loop' }, data: { token: newId(), expiresAt: new Date(Date.now() + 3_600_000) } });
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
        lost = true;
      },
    });
    await expect.poll(() => lost, { timeout: 30_000 }).toBe(true);
    await loop.stop();
  });

  it('goes on after a pass that failed', async () => {
    let passes = 0;
    const loop = market.app.get(Singletons).every({
      name: 'failing-loop', everyMs: 5,
      run: async () => {
        passes += 1;
        throw new Error('again');
      },
    });
    await expect.poll(() => passes, { timeout: 30_000 }).toBeGreaterThan(2);
    await loop.stop();
  });
});

describe('a rate limit', () => {
  it('is shared by the replicas', async () => {
    const bucket = newId();
    const take = (where: TestApp) => where.app.get(RateLimit).take(bucket, 10, 3600);
    const states = await Promise.all(Array.from({ length: 20 }, (_none, n) => take(n % 2 ? market : replica)));
    expect(states.filter((state) => state.allowed)).toHaveLength(10);
  });

  it('answers 429 with what to do', async () => {
    const tight = await createTestApp({ beside: market, env: { MUSTER_RATE_LIMIT_PER_MIN: '5', MUSTER_REDIS_PREFIX: `${newId()}:` } });
    const account = await market.signUp();
    const answers = await Promise.all(Array.from({ length: 80 }, () => tight.call('getAccount', { token: account.token })));
    const refused = answers.find((answer) => answer.status === 429);
    expect(refused?.body).toMatchObject({ code: 'rate_limited', retryable: true });
    expect(answers.filter((answer) => answer.status === 200).length).toBeGreaterThanOrEqual(25);
    expect((await tight.call('signOut', { token: account.token })).status).not.toBe(429);
    expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await tight.call('health')).status).toBe(200);
    await tight.close();
  });

  it('makes guessing of passwords slow', async () => {
    const tight = await createTestApp({ beside: market, env: { MUSTER_SIGN_IN_LIMIT_PER_MIN: '3', MUSTER_REDIS_PREFIX: `${newId()}:` } });
    const guess = () => tight.call('signIn', { body: { email: 'victim@example.com', password: 'guess' } });
    const answers = await Promise.all(Array.from({ length: 12 }, guess));
    const codes = answers.map((answer) => answer.body.code);
    expect(codes.filter((code) => code === 'rate_limited').length).toBeGreaterThanOrEqual(6);
    expect(new Set(codes)).toEqual(new Set(['rate_limited', 'bad_credentials']));
    await tight.close();
  });
});
