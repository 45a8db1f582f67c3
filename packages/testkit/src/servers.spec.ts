import { spawn } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { createClient } from '@muster/prisma';
import { Redis } from 'ioredis';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { createEmptyDatabase, createTestDatabase, fakeClock, freePort, isPortFree, reapOrphans, startTestRedis, waitFor } from './index.js';

describe('a test database', () => {
  it('is migrated, empty of people, its own, and gone after drop', async () => {
    const [one, other] = await Promise.all([createTestDatabase(), createTestDatabase()]);
    const client = createClient({ connectionString: one.url, max: 2 });
    await client.leaderLease.create({ data: { name: 'only-here', holder: 'spec', token: crypto.randomUUID(), expiresAt: new Date() } });
    expect(await client.user.count()).toBe(0);
    const stranger = createClient({ connectionString: other.url, max: 2 });
    expect(await stranger.leaderLease.count()).toBe(0);
    await Promise.all([client.$disconnect(), stranger.$disconnect()]);
    await Promise.all([one.drop(), other.drop()]);
    await expect(new pg.Client({ connectionString: one.url }).connect()).rejects.toThrow(/does not exist/);
  });

  it('can be had without any table', async () => {
    const database = await createEmptyDatabase();
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    expect((await client.query(`SELECT 1 FROM pg_tables WHERE schemaname = 'public'`)).rowCount).toBe(0);
    await client.end();
    await database.drop();
  });
});

describe('a test Redis', () => {
  it('is real, comes back empty on its own port after a kill, and leaves nothing', async () => {
    const redis = await startTestRedis();
    const client = new Redis(redis.url);
    client.on('error', () => undefined);
    await client.set('key', 'value');
    await redis.kill();
    await redis.restart();
    await waitFor(async () => (await client.ping()) === 'PONG', { deadlineMs: 20_000, what: 'the client to reconnect' });
    expect(await client.get('key')).toBeNull();
    client.disconnect();
    await redis.stop();
    expect(await isPortFree(redis.port)).toBe(true);
  });

  it('left behind by a killed run is stopped and removed by the next', async () => {
    const script = `import { startTestRedis } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
      console.log((await startTestRedis()).port); setInterval(() => {}, 1000);`;
    const run = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    run.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await waitFor(() => output.endsWith('\n'), { deadlineMs: 30_000, what: 'the run to start Redis' });
    run.kill('SIGKILL');
    await waitFor(() => run.signalCode, { deadlineMs: 10_000, what: 'the run to end' });
    await reapOrphans();
    expect(await isPortFree(Number(output))).toBe(true);
  });
});

it('waits for a condition and says what it waited for', async () => {
  let looks = 0;
  expect(await waitFor(() => (looks += 1) === 3 && 'seen', { deadlineMs: 5_000, what: 'the third look', everyMs: 1 })).toBe('seen');
  const failing = waitFor(() => Promise.reject(new Error('refused')), { deadlineMs: 20, what: 'a server', everyMs: 5 });
  await expect(failing).rejects.toThrow('waited 20 ms for a server (last error: refused)');
});

it('has a clock that moves only when told', () => {
  const clock = fakeClock(1_000);
  clock.advance(500);
  expect(clock.now()).toBe(1_500);
  clock.set(new Date(9));
  expect(clock.date()).toEqual(new Date(9));
});

it('gives free ports', async () => {
  expect(await isPortFree(await freePort())).toBe(true);
});

it('keeps the cache of programs where other users can pass', async () => {
  const { testCacheDir } = await import('./index.js');
  expect((await stat(testCacheDir())).mode & 0o001).toBe(1);
});
