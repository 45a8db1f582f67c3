import { randomBytes } from 'node:crypto';
import { databaseUrl, POSTGRES_URL_VARIABLE, templateName, withAdmin } from './test-postgres-server.js';

export interface TestDatabase {
  /** Connection URL of the superuser. */
  url: string;
  name: string;
  /** Removes the database, also under open connections. */
  drop(): Promise<void>;
}

/** A database of its own for one test file: migrated and empty, on the real server of this run. */
export async function createTestDatabase(): Promise<TestDatabase> {
  return copyOf(await templateName());
}

/** A database without any table, for tests of the migrations themselves. */
export async function createEmptyDatabase(): Promise<TestDatabase> {
  return copyOf('template0');
}

async function copyOf(template: string): Promise<TestDatabase> {
  const serverUrl = runningServer();
  const name = `test_${process.pid}_${randomBytes(6).toString('hex')}`;
  await withAdmin(serverUrl, (admin) => admin.query(`CREATE DATABASE ${name} TEMPLATE ${template} STRATEGY FILE_COPY`));
  const drop = async () => {
    await withAdmin(serverUrl, (admin) => admin.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`));
  };
  return { url: databaseUrl(serverUrl, name), name, drop };
}

function runningServer(): string {
  const url = process.env[POSTGRES_URL_VARIABLE];
  if (!url) throw new Error('no test Postgres runs: use testConfig({ postgres: true }) of @muster/testkit/vitest-config in vitest.config.ts');
  return url;
}
