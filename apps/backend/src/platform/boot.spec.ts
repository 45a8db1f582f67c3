import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/app.js';

let market: TestApp;
beforeAll(async () => {
  market = await createTestApp();
});
afterAll(() => market.close());

it('answers health, readiness and statistics', async () => {
  expect((await market.call('health')).body).toMatchObject({ status: 'ok' });
  expect((await market.call('ready')).body).toMatchObject({ status: 'ready' });
  expect((await market.call('stats')).body).toMatchObject({ users: 0, gpus: { total: 0, rented: 0 } });
});
