import { randomBytes } from 'node:crypto';
import { migrateDeploy } from '@muster/prisma';
import { startPostgres, type RunningPostgres } from '@muster/local-services';
import { claimServerDir, removeServerDir, testCacheDir } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeKey } from '../identity/api-key.rules.js';
import { createTestApp, TEST_PASSWORD, type Answer, type TestAccount, type TestApp } from '../../test/app.js';

let dir: string;
let postgres: RunningPostgres;
let market: TestApp;
let alice: TestAccount;

/** This file kills its Postgres, so it has one of its own. */
beforeAll(async () => {
  dir = await claimServerDir('postgres');
  postgres = await startPostgres({ dir, cacheDir: testCacheDir(), durable: false });
  await migrateDeploy(postgres.url('market'));
  market = await createTestApp({ databaseUrl: postgres.url('market') });
  alice = await market.signUp();
});
afterAll(async () => {
  await market.close();
  await postgres.stop();
  await removeServerDir(dir);
});

function expectUnavailable(answer: Answer): void {
  expect(answer.body).toMatchObject({ code: 'unavailable', status: 503, retryable: true });
  expect(answer.status).toBe(503);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(JSON.stringify(answer.body)).not.toMatch(/127\.0\.0\.1|ECONN|prisma|password/i);
}
const codeOf = async (work: Promise<Answer>): Promise<string> => {
  const { status, body } = await work;
  return status < 300 ? 'ok' : body.code;
};
const account = () => market.call('getAccount', { token: alice.token });

describe('with Redis killed', () => {
  it('limits go on per process, what needs only Postgres goes on, readiness says it, and it comes back by itself', async () => {
    await market.redis.kill();
    await expect.poll(() => codeOf(market.call('ready')), { timeout: 20_000 }).toBe('unavailable');
    expectUnavailable(await market.call('ready'));
    expect((await account()).status).toBe(200);
    expect((await market.call('health')).status).toBe(200);
    await market.redis.restart();
    await expect.poll(() => codeOf(market.call('ready')), { timeout: 30_000 }).toBe('ok');
  });
});

describe('with Postgres killed', () => {
  it('every operation that needs it is 503 with Retry-After, the process lives, and it comes back by itself', async () => {
    process.kill(postgres.pid, 'SIGKILL');
    await postgres.exited;
    await expect.poll(() => codeOf(market.call('ready')), { timeout: 20_000 }).toBe('unavailable');
    for (const answer of [
      await market.call('ready'),
      await market.call('stats'),
      await market.call('signIn', { body: { email: alice.email, password: TEST_PASSWORD } }),
      await market.call('refreshSession', { body: { refresh_token: 'msr_unknown' } }),
      await market.call('listSshKeys', { token: makeKey('user', randomBytes) }),
    ]) expectUnavailable(answer);
    expect((await market.call('health')).status).toBe(200);
    expect((await market.fetch('GET', '/metrics')).status).toBe(200);
    postgres = await startPostgres({ dir, cacheDir: testCacheDir(), durable: false, port: postgres.port });
    await expect.poll(() => codeOf(market.call('ready')), { timeout: 60_000 }).toBe('ok');
    await expect.poll(() => codeOf(account()), { timeout: 30_000 }).toBe('ok');
  });
});
