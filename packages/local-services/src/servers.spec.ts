import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { execFile, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, isRunning, makeTraversable, processesIn, startPostgres, startRedis, waitFor, type RunningPostgres, type RunningRedis } from './index.js';

const run = promisify(execFile);
let root: string;
const started: { stop(): Promise<void> }[] = [];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'muster-local-services-'));
  await chmod(root, 0o755);
});

afterAll(async () => {
  await Promise.allSettled(started.map((server) => server.stop()));
  await rm(root, { recursive: true, force: true });
});

async function postgres(name: string): Promise<RunningPostgres> {
  const server = await startPostgres({ dir: join(root, name), cacheDir: join(root, 'cache') });
  started.push(server);
  return server;
}

async function redis(name: string): Promise<RunningRedis> {
  const server = await startRedis({ dir: join(root, name) });
  started.push(server);
  return server;
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

describe('Postgres', () => {
  it('is adopted by the next process, survives a crash with its data, and stops cleanly', async () => {
    const first = await postgres('crash');
    await query(first.url(), 'CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)');

    const adopted = await postgres('crash');
    expect(adopted).toMatchObject({ pid: first.pid, port: first.port, adopted: true });

    process.kill(first.pid, 'SIGKILL');
    await Promise.all([first.exited, adopted.exited]);
    const second = await postgres('crash');
    expect(second.adopted).toBe(false);
    expect(await query(second.url(), 'SELECT n FROM kept')).toEqual([{ n: 7 }]);

    await second.stop();
    expect(await processesIn(join(root, 'crash', 'data'))).toEqual([]);
    await expect(stat(join(root, 'crash', 'data', 'postmaster.pid'))).rejects.toThrow();
  });

  it('starts beside a pid file that names a stranger, and leaves the stranger alone', async () => {
    const first = await postgres('stale');
    const pidFile = join(root, 'stale', 'data', 'postmaster.pid');
    const lines = (await readFile(pidFile, 'utf8')).split('\n');
    await first.stop();
    const stranger = spawn('sleep', ['600'], { stdio: 'ignore' });
    try {
      await writeFile(pidFile, [String(stranger.pid), ...lines.slice(1)].join('\n'));
      const second = await postgres('stale');
      expect(second.adopted).toBe(false);
      expect(stranger.exitCode).toBeNull();
    } finally {
      stranger.kill();
    }
  });

  it('runs as its own user, keeps the password to its owner, listens on loopback and asks for scram', async () => {
    const server = await postgres('closed');
    const { stdout } = await run('ps', ['-o', 'user:32=,args=', '-p', String(server.pid)]);
    if (process.getuid?.() === 0) expect(stdout).toMatch(/^muster-postgres /);
    const password = (await readFile(join(root, 'closed', 'password'), 'utf8')).trim();
    expect(stdout).not.toContain(password);
    expect((await stat(join(root, 'closed', 'password'))).mode & 0o777).toBe(0o600);
    expect(await query(server.url(), 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
    expect(await query(server.url(), 'SHOW fsync')).toEqual([{ fsync: 'on' }]);
    expect(await query(server.url(), `SELECT DISTINCT auth_method FROM pg_hba_file_rules`)).toEqual([{ auth_method: 'scram-sha-256' }]);
    await expect(query(server.url().replace(password, 'wrong'), 'SELECT 1')).rejects.toThrow(/password authentication failed/);
  });

  it('tells the end of its log when it cannot start', async () => {
    const port = (await redis('port-holder')).port;
    await expect(startPostgres({ dir: join(root, 'refused'), cacheDir: join(root, 'cache'), port })).rejects.toThrow(/ended while starting[^]*Address already in use/);
  });
});

describe('Redis', () => {
  it('is adopted by the next process and comes back after a crash', async () => {
    const first = await redis('redis');
    const adopted = await redis('redis');
    expect(adopted).toMatchObject({ pid: first.pid, url: first.url, adopted: true });
    const client = new Redis(adopted.url);
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
    process.kill(first.pid, 'SIGKILL');
    await Promise.all([first.exited, adopted.exited]);
    const second = await redis('redis');
    expect(second.adopted).toBe(false);
    await second.stop();
  });

  it('keeps its password out of the list of processes and refuses callers without it', async () => {
    const server = await redis('redis-closed');
    const { stdout } = await run('ps', ['-o', 'user:32=,args=', '-p', String(server.pid)]);
    expect(stdout).not.toContain(new URL(server.url).password);
    if (process.getuid?.() === 0) expect(stdout).toMatch(/^muster-redis /);
    const client = new Redis(server.port, '127.0.0.1', { retryStrategy: () => null });
    client.on('error', () => undefined);
    await expect(client.get('key')).rejects.toThrow(/NOAUTH/);
    client.disconnect();
  });
});

it('outlives its starter: a server started by a killed process is found again', async () => {
  const dir = join(root, 'orphan');
  const script = `import { startRedis } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
    await startRedis({ dir: ${JSON.stringify(dir)} }); console.log('ready'); setInterval(() => {}, 1000);`;
  const starter = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  starter.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await waitFor(() => output.includes('ready'), { deadlineMs: 30_000, what: 'the starter to be ready' });
  starter.kill('SIGKILL');
  await waitFor(() => starter.signalCode, { deadlineMs: 5_000, what: 'the starter to end' });
  const found = await redis('orphan');
  expect(found.adopted).toBe(true);
  const [identity] = await processesIn(join(dir, 'data'));
  await found.stop();
  expect(identity && (await isRunning(identity))).toBe(false);
});

it.skipIf(process.getuid?.() !== 0)('names the closed parent of a folder that the server could not enter (needs root)', async () => {
  const closed = await mkdtemp(join(tmpdir(), 'muster-closed-'));
  try {
    await expect(makeTraversable(join(closed, 'state'))).rejects.toThrow(`may not pass through ${closed}`);
  } finally {
    await rm(closed, { recursive: true, force: true });
  }
});

it('gives a port that can be listened on, and never the same one twice', async () => {
  const ports = await Promise.all(Array.from({ length: 20 }, () => freePort()));
  expect(new Set(ports).size).toBe(20);
});
