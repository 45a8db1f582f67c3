import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { operations, type ApiKeyInfo, type OperationName, type SessionTokens } from '@muster/shared-types';
import { claimServerDir, createTestDatabase, removeServerDir, startTestRedis, type TestDatabase, type TestRedis } from '@muster/testkit';
import { AppModule } from '../src/app.module.js';
import { closeGracefully, configureApp, listen } from '../src/app.js';
import { prepareMarket } from '../src/prepare-market.js';
import { Config, loadConfig } from '../src/config.js';
import { Clock, FakeClock } from '../src/platform/clock.js';
import { Db } from '../src/platform/db.js';

export interface TestAppOptions {
  /** Stands in for the real clock in the whole backend. */
  clock?: FakeClock;
  /** More environment, e.g. `{ MUSTER_ROLES: 'api' }`. */
  env?: Record<string, string>;
  /** A migrated database of the caller's own, which the caller removes. */
  databaseUrl?: string;
  /** Another replica of this market: shares its Postgres and Redis, which the first one removes. */
  beside?: TestApp;
}

export interface Answer {
  status: number;
  headers: Headers;
  // The tests look into answers of every shape; the contract is asserted where it matters.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
}

export interface CallOptions {
  /** Session token, API key or host API key. */
  token?: string | undefined;
  params?: Record<string, string>;
  query?: Record<string, string | number>;
  body?: unknown;
  headers?: Record<string, string>;
}

export interface TestAccount {
  id: string;
  email: string;
  password: string;
  /** Session token. */
  token: string;
  tokens: SessionTokens;
}

export const TEST_PASSWORD = 'correct horse battery';

/** The whole backend in this process: real Postgres (a database of its own), real Redis, a free port. */
export class TestApp {
  private constructor(
    readonly app: NestExpressApplication,
    readonly url: string,
    readonly config: Config,
    readonly database: TestDatabase,
    readonly redis: TestRedis,
    readonly storageDir: string,
    private readonly stop: () => Promise<void>,
  ) {}

  static async start(options: TestAppOptions): Promise<TestApp> {
    const database = options.beside?.database ?? (await databaseOf(options));
    const redis = options.beside?.redis ?? (await startTestRedis());
    const storageDir = options.beside?.storageDir ?? (await claimServerDir('storage'));
    const config = loadConfig({ ...testEnvironment(database.url, redis.url), MUSTER_STORAGE_DIR: storageDir, MUSTER_TELEMETRY_DIR: join(storageDir, 'telemetry'), ...options.env });
    await prepare(config, options);
    const building = Test.createTestingModule({ imports: [AppModule] }).overrideProvider(Config).useValue(config);
    if (options.clock) building.overrideProvider(Clock).useValue(options.clock);
    const module = await building.compile();
    const app = module.createNestApplication<NestExpressApplication>({ bodyParser: false, bufferLogs: true });
    const inFlight = configureApp(app);
    const url = await listen(app);
    const stop = async (): Promise<void> => {
      await closeGracefully(app, inFlight);
      if (options.beside) return;
      await Promise.all([database.drop(), redis.stop(), removeServerDir(storageDir)]);
    };
    return new TestApp(app, url, config, database, redis, storageDir, stop);
  }

  get db(): Db {
    return this.app.get(Db);
  }

  close(): Promise<void> {
    return this.stop();
  }

  /** One request; JSON in, JSON out. */
  async fetch(method: string, path: string, options: Omit<CallOptions, 'params'> = {}): Promise<Answer> {
    const query = new URLSearchParams(Object.entries(options.query ?? {}).map(([name, value]): [string, string] => [name, String(value)])).toString();
    const response = await fetch(`${this.url}${path}${query ? `?${query}` : ''}`, {
      method,
      headers: {
        ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...options.headers,
      },
      ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson && text !== '' ? JSON.parse(text) : text };
  }

  /** One operation of the catalogue by its name. */
  call(name: OperationName, options: CallOptions = {}): Promise<Answer> {
    const spec = operations[name];
    const path = spec.path.replaceAll(/\{(\w+)\}/g, (_all, param: string) => encodeURIComponent(options.params?.[param] ?? ''));
    return this.fetch(spec.method, path, options);
  }

  async signUp(email = `${randomBytes(6).toString('hex')}@example.com`): Promise<TestAccount> {
    const { status, body } = await this.call('signUp', { body: { email, password: TEST_PASSWORD } });
    if (status !== 201) throw new Error(`sign-up failed: ${JSON.stringify(body)}`);
    return { id: body.account.id, email, password: TEST_PASSWORD, token: body.access_token, tokens: body };
  }

  /** A fresh account that may do what operators may. */
  async makeOperator(): Promise<TestAccount> {
    const account = await this.signUp();
    await this.db.client.user.update({ where: { id: account.id }, data: { isOperator: true } });
    return account;
  }

  /** A key of this account; `kind: 'host'` for what agents connect with. */
  async makeKey(account: TestAccount, wanted: { kind?: 'user' | 'host'; scopes?: string[]; expires_in_s?: number } = {}): Promise<ApiKeyInfo & { key: string }> {
    const { status, body } = await this.call('createApiKey', { token: account.token, body: { name: 'test', ...wanted } });
    if (status !== 201) throw new Error(`no key: ${JSON.stringify(body)}`);
    return body;
  }
}

async function databaseOf({ databaseUrl }: TestAppOptions): Promise<TestDatabase> {
  return databaseUrl === undefined ? await createTestDatabase() : { url: databaseUrl, name: '', drop: () => Promise.resolve() };
}

export const createTestApp = (options: TestAppOptions = {}): Promise<TestApp> => TestApp.start(options);

function testEnvironment(databaseUrl: string, redisUrl: string): Record<string, string> {
  return {
    DATABASE_URL: databaseUrl,
    REDIS_URL: redisUrl,
    MUSTER_PORT: '0',
    MUSTER_PUBLIC_URL: 'http://muster.test',
    MUSTER_MASTER_KEY: '11'.repeat(32),
    MUSTER_GATE_SECRET: 'gate-secret-of-tests-0123456789abcdef',
    MUSTER_DATABASE_POOL: '8',
    MUSTER_RATE_LIMIT_PER_MIN: '1000000',
    MUSTER_SIGN_IN_LIMIT_PER_MIN: '100000',
    MUSTER_PORT_REST_S: '60',
    MUSTER_TUNNEL_FIRST_PORT: '20000',
    MUSTER_TUNNEL_LAST_PORT: '20199',
    LOG_LEVEL: 'silent',
  };
}

/** What `bootstrap` makes in a real market, before the first start. */
async function prepare(config: Config, options: TestAppOptions): Promise<void> {
  if (options.beside) return;
  const db = new Db(config);
  await prepareMarket(db, config, (options.clock ?? new Clock()).now());
  await db.onApplicationShutdown();
}
