import { randomBytes } from 'node:crypto';
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { migrateDeploy } from '@muster/prisma';
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

/** A database as an earlier version made it: migrated, by Prisma itself, up to the migration of that name and no further. */
export async function createDatabaseAt(lastMigration: string): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  const folder = await mkdtemp(join(tmpdir(), 'muster-version-'));
  try {
    await migrateDeploy(database.url, await versionIn(folder, lastMigration));
    return database;
  } catch (error) {
    await database.drop();
    throw error;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function versionIn(folder: string, lastMigration: string): Promise<{ configFile: string; migrationsDir: string }> {
  const home = dirname(dirname(createRequire(import.meta.url).resolve('@muster/prisma')));
  const migrationsDir = join(folder, 'migrations');
  const names = await readdir(join(home, 'migrations'));
  if (!names.includes(lastMigration)) throw new Error(`no migration ${lastMigration}`);
  const kept = names.filter((name) => name <= lastMigration || name === 'migration_lock.toml');
  await Promise.all(kept.map((name) => cp(join(home, 'migrations', name), join(migrationsDir, name), { recursive: true })));
  const configFile = join(folder, 'prisma.config.mjs');
  const [schema, path] = [join(home, 'schema.prisma'), migrationsDir].map((one) => JSON.stringify(one));
  await writeFile(configFile, `export default { schema: ${schema}, migrations: { path: ${path} }, datasource: { url: process.env.DATABASE_URL } };\n`);
  return { configFile, migrationsDir };
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
