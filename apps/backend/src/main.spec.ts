import { spawn, type ChildProcess } from 'node:child_process';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { createEmptyDatabase, startTestRedis, type TestDatabase, type TestRedis } from '@muster/testkit';
import { PrismaClient, createClient } from '@muster/prisma';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));

let database: TestDatabase;
let redis: TestRedis;
let db: PrismaClient;
const children = new Set<ChildProcess>();
beforeAll(async () => {
  database = await createEmptyDatabase();
  redis = await startTestRedis();
  db = createClient({ connectionString: database.url, max: 2 });
});
afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  await db.$disconnect();
  await Promise.all([database.drop(), redis.stop()]);
});

interface Run {
  child: ChildProcess;
  out: () => string;
  err: () => string;
  ended: Promise<number>;
}

/** The program itself, as a supervisor starts it. */
function start(args: string[], env: Record<string, string> = {}): Run {
  const needed = { DATABASE_URL: database.url, REDIS_URL: redis.url, MUSTER_PORT: '0', MUSTER_MASTER_KEY: '22'.repeat(32), MUSTER_GATE_SECRET: 's'.repeat(40) };
  const child = spawn(process.execPath, [MAIN, ...args], { env: { PATH: process.env['PATH'], ...needed, LOG_LEVEL: 'info', ...env } });
  children.add(child);
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const ended = new Promise<number>((resolve) => child.once('close', (code) => resolve(code ?? -1)));
  return { child, out: () => out, err: () => err, ended };
}

const small = { MUSTER_TUNNEL_FIRST_PORT: '20000', MUSTER_TUNNEL_LAST_PORT: '20099' };
async function bootstrap(...args: string[]) {
  const run = start(['bootstrap', '--email', 'Operator@example.com', ...args], small);
  expect(await run.ended, run.err()).toBe(0);
  return JSON.parse(run.out());
}

describe('the program', () => {
  it('names what is wrong with its environment and ends with 2', async () => {
    const run = start([], { MUSTER_MASTER_KEY: 'short', MUSTER_HOST: 'example.com' });
    expect(await run.ended).toBe(2);
    expect(run.err()).toMatch(/MUSTER_MASTER_KEY: must be 32 bytes/);
    expect(run.err()).toMatch(/MUSTER_HOST: must be an address of this machine/);
  });

  it('does not serve a database that lacks migrations, and says what to run', async () => {
    const run = start([]);
    expect(await run.ended).toBe(2);
    expect(run.err()).toMatch(/lacks migrations .*node dist\/main\.js migrate/);
  });

  it('says how it is used', async () => {
    const run = start(['dance']);
    expect(await run.ended).toBe(2);
    expect(run.err()).toMatch(/usage:/);
  });
});

describe('bootstrap', () => {
  it('without an account makes the market alone, its tunnel server under the id that the gate was told', async () => {
    const id = '6d757374-6572-4000-8000-000000000001';
    const run = start(['bootstrap'], { ...small, MUSTER_TUNNEL_SERVER_ID: id });
    expect(await run.ended, run.err()).toBe(0);
    expect(JSON.parse(run.out())).toEqual({ cluster_id: expect.any(String), tunnel_server_id: id, tunnel_ports: 100 });
    expect(await db.user.count()).toBe(0);
  });

  it('makes a market once, from two at the same time, and prints secrets once', async () => {
    const made = await Promise.all([bootstrap(), bootstrap()]);
    const withSecrets = made.filter((one) => one.secrets);
    expect(withSecrets).toHaveLength(1);
    expect(made.map((one) => one.granted).toSorted()).toEqual([false, true]);
    expect(new Set(made.map((one) => one.cluster_id)).size).toBe(1);
    expect(made[0]).toMatchObject({ tunnel_ports: 100, account: { email: 'operator@example.com' } });
    expect(withSecrets[0].secrets).toMatchObject({ api_key: expect.stringMatching(/^mst_/), host_api_key: expect.stringMatching(/^msh_/) });
    const [user] = await db.user.findMany();
    expect(user).toMatchObject({ isOperator: true, balance: expect.anything() });
    expect(String(user?.balance)).toBe('25');
    expect(await db.signingKey.count()).toBe(2);
    expect(await db.tunnelPort.count()).toBe(100);
  });

  it('gives new secrets to an account whose printed ones were lost', async () => {
    const before = await db.apiKey.count({ where: { revokedAt: null, kind: 'user' } });
    const made = await bootstrap('--replace-secrets', '--grant', '99');
    expect(made).toMatchObject({ created: false, granted: false, secrets: { password: expect.any(String) } });
    expect(await db.apiKey.count({ where: { revokedAt: null, kind: 'user' } })).toBe(before);
    expect(String((await db.user.findFirstOrThrow()).balance)).toBe('25');
  });

  it('refuses what is no e-mail', async () => {
    const run = start(['bootstrap', '--email', 'nobody']);
    expect(await run.ended).toBe(2);
    expect(run.err()).toMatch(/--email/);
  });
});

describe('serving', () => {
  const urlOf = (run: Run): string => /"msg":"listening","url":"([^"]+)"/.exec(run.out())?.[1] ?? '';

  it('ends on SIGTERM: the request in hand is answered, nothing new is taken, leases are given back', async () => {
    const run = start([]);
    await expect.poll(() => urlOf(run) || run.err(), { timeout: 60_000 }).toMatch(/^http:/);
    const url = urlOf(run);
    await expect.poll(() => db.leaderLease.count(), { timeout: 60_000 }).toBeGreaterThan(0);
    const slow = slowSignUp(`${url}/api/v1/auth/sign-up`);
    await slow.started;
    run.child.kill('SIGTERM');
    await expect.poll(() => fetch(`${url}/health`).then(() => 'open', () => 'closed'), { timeout: 30_000 }).toBe('closed');
    slow.finish();
    expect(await slow.status).toBe(201);
    expect(await run.ended).toBe(0);
    expect(await db.leaderLease.count()).toBe(0);
    expect(run.err()).toBe('');
  });

  it('logs JSON lines with request ids and without secrets', async () => {
    const run = start([], { LOG_LEVEL: 'trace' });
    await expect.poll(() => urlOf(run) || run.err(), { timeout: 60_000 }).toMatch(/^http:/);
    const body = JSON.stringify({ email: 'log@example.com', password: 'a-very-secret-password' });
    const signedUp = await fetch(`${urlOf(run)}/api/v1/auth/sign-up?secret=in-query`, { method: 'POST', body, headers: { 'content-type': 'application/json', 'x-request-id': 'log-test-0001' } });
    const tokens = (await signedUp.json()) as { access_token: string; refresh_token: string };
    await fetch(`${urlOf(run)}/api/v1/account`, { headers: { authorization: `Bearer ${tokens.access_token}`, cookie: 'session=cookie-secret' } });
    run.child.kill('SIGTERM');
    expect(await run.ended).toBe(0);
    const lines = run.out().trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.find((line) => line['request_id'] === 'log-test-0001')).toMatchObject({ req: { method: 'POST', path: '/api/v1/auth/sign-up' }, res: { status: 201 } });
    expect(lines.some((line) => typeof line['account_id'] === 'string')).toBe(true);
    for (const secret of ['a-very-secret-password', tokens.access_token, tokens.refresh_token, 'cookie-secret', 'in-query', '22'.repeat(32), 's'.repeat(40), redis.url, database.url]) {
      expect(run.out() + run.err(), 'a secret stands in the log').not.toContain(secret);
    }
  });
});

/** A request whose body arrives in two halves, so that it is in hand for as long as the test wants. */
function slowSignUp(url: string): { started: Promise<void>; finish: () => void; status: Promise<number> } {
  const body = JSON.stringify({ email: 'slow@example.com', password: 'long enough for this' });
  const sent = request(url, { method: 'POST', headers: { 'content-type': 'application/json', 'content-length': body.length, expect: '100-continue' } });
  const status = new Promise<number>((resolve, reject) => {
    sent.on('response', (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.on('error', reject);
  });
  // The server says "continue" when it has taken the request.
  const started = new Promise<void>((resolve) => sent.once('continue', () => resolve()));
  sent.flushHeaders();
  return { started: started.then(() => void sent.write(body.slice(0, 10))), finish: () => sent.end(body.slice(10)), status };
}
