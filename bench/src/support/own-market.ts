import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, startPostgres, startRedis } from '@muster/local-services';
import { createClient, type PrismaClient } from '@muster/prisma';
import { testCacheDir } from '@muster/testkit';

const BACKEND = createRequire(import.meta.url).resolve('@muster/backend/main');
const TICKS_PER_S = 100;

/** A market of its own: durable Postgres, Redis, and the real backend as a process apart. Nothing of it stays. */
export class OwnMarket {
  #backend: ChildProcess | undefined;

  private constructor(
    readonly url: string,
    readonly db: PrismaClient,
    readonly redisUrl: string,
    readonly postgresUrl: string,
    /** API key of the operator, who has $100,000 of test credit. */
    readonly apiKey: string,
    private readonly env: Record<string, string>,
    private readonly stopEverything: () => Promise<void>,
  ) {}

  static async start(env: Record<string, string> = {}): Promise<OwnMarket> {
    const dir = await mkdtemp(join(tmpdir(), 'muster-bench-'));
    await chmod(dir, 0o755);
    const undo: (() => Promise<void>)[] = [() => rm(dir, { recursive: true, force: true })];
    const undoAll = async (): Promise<void> => {
      for (const step of undo.toReversed()) await step();
    };
    try {
      const postgres = await startPostgres({ dir: join(dir, 'postgres'), cacheDir: testCacheDir(), durable: true, settings: { max_connections: '200', shared_buffers: '512MB' } });
      undo.push(() => postgres.stop());
      const redis = await startRedis({ dir: join(dir, 'redis') });
      undo.push(() => redis.stop());
      const port = await freePort();
      const databaseUrl = postgres.url('muster');
      const all = { ...environment(databaseUrl, redis.url, port, dir), ...env };
      const made = JSON.parse(await run([BACKEND, 'bootstrap', '--email', 'operator@example.com', '--grant', '100000'], all)) as { secrets: { api_key: string } };
      const db = createClient({ connectionString: databaseUrl, max: 8 });
      undo.push(() => db.$disconnect());
      const market = new OwnMarket(`http://127.0.0.1:${port}`, db, redis.url, databaseUrl, made.secrets.api_key, all, undoAll);
      undo.push(() => market.stopBackend());
      await market.startBackend();
      return market;
    } catch (error) {
      await undoAll();
      throw error;
    }
  }

  async startBackend(): Promise<void> {
    const child = spawn(process.execPath, [BACKEND], { env: this.env, stdio: ['ignore', 'ignore', 'inherit'] });
    this.#backend = child;
    const deadline = Date.now() + 60_000;
    while (!(await answers(`${this.url}/ready`))) {
      if (child.exitCode !== null || Date.now() > deadline) throw new Error('the backend did not become ready');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  get backendPid(): number {
    if (this.#backend?.pid === undefined) throw new Error('no backend runs');
    return this.#backend.pid;
  }

  async killBackend(): Promise<void> {
    const child = this.#backend;
    if (!child) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  async stopBackend(): Promise<void> {
    const child = this.#backend;
    if (child?.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    await gone;
  }

  stop(): Promise<void> {
    return this.stopEverything();
  }
}

export async function withOwnMarket<T>(work: (market: OwnMarket) => Promise<T>, env: Record<string, string> = {}): Promise<T> {
  const market = await OwnMarket.start(env);
  const giveUp = (): void => void market.stop().then(() => process.exit(1));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, giveUp);
  process.once('uncaughtException', (error) => {
    console.error(error);
    giveUp();
  });
  try {
    return await work(market);
  } finally {
    await market.stop();
  }
}

/** Seconds of CPU that a process has used, and its resident memory in bytes. */
export async function usage(pid: number): Promise<{ cpuS: number; rssBytes: number }> {
  const [stat, status] = await Promise.all([readFile(`/proc/${pid}/stat`, 'utf8'), readFile(`/proc/${pid}/status`, 'utf8')]);
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const rssKb = Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0);
  return { cpuS: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_S, rssBytes: rssKb * 1024 };
}

function environment(databaseUrl: string, redisUrl: string, port: number, dir: string): Record<string, string> {
  return {
    PATH: process.env['PATH'] ?? '',
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    MUSTER_PORT: String(port),
    MUSTER_MASTER_KEY: randomBytes(32).toString('hex'),
    MUSTER_GATE_SECRET: randomBytes(32).toString('hex'),
    MUSTER_RATE_LIMIT_PER_MIN: '10000000',
    MUSTER_STORAGE_DIR: join(dir, 'storage'),
    MUSTER_TELEMETRY_DIR: join(dir, 'telemetry'),
    LOG_LEVEL: 'error',
  };
}

/** What the command prints. */
async function run(args: readonly string[], env: Record<string, string>): Promise<string> {
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const printed: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => printed.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${args.slice(1).join(' ')} ended with ${code}`);
  return Buffer.concat(printed).toString('utf8');
}

const answers = (url: string): Promise<boolean> => fetch(url).then((response) => response.ok, () => false);
