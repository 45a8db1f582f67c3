import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEmptyDatabase, type TestDatabase } from '../../packages/testkit/src/postgres.js';
import { migrateDeploy } from './migrate.js';
import { runPrisma } from './prisma-cli.js';

const FIRST_MODEL = 'model Ship {\n  id   Int    @id\n  name String @unique\n}\n';
const SECOND_MODEL = FIRST_MODEL.replace('}\n', '  crew Int @default(0)\n}\n');
/** A body with semicolons: the driver adapter alone would cut it in pieces. */
const FUNCTION = `CREATE FUNCTION launch() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM 1; PERFORM 2; RETURN 3; END $$;\n`;

let project: string;
let configFile: string;
const databases: TestDatabase[] = [];

beforeAll(async () => {
  project = await mkdtemp(join(tmpdir(), 'muster-migrate-'));
  configFile = join(project, 'prisma.config.mjs');
  await mkdir(join(project, 'migrations'));
  await writeFile(configFile, `export default { schema: ${JSON.stringify(join(project, 'schema.prisma'))}, migrations: { path: ${JSON.stringify(join(project, 'migrations'))} }, datasource: { url: process.env.DATABASE_URL } };\n`);
});

afterAll(async () => {
  await Promise.all(databases.map((database) => database.drop()));
  await rm(project, { recursive: true, force: true });
});

async function emptyDatabase(): Promise<TestDatabase> {
  const database = await createEmptyDatabase();
  databases.push(database);
  return database;
}

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(sql)).rows;
  } finally {
    await client.end();
  }
}

function schema(models: string): Promise<void> {
  return writeFile(join(project, 'schema.prisma'), `datasource db {\n  provider = "postgresql"\n}\n\n${models}`);
}

async function prisma(databaseUrl: string, ...args: string[]): Promise<string> {
  const { exitCode, output } = await runPrisma({ args, databaseUrl, configFile });
  if (exitCode !== 0) throw new Error(`prisma ${args.join(' ')} exited ${exitCode}:\n${output}`);
  return output;
}

describe('the way of a schema change, on a schema of its own', () => {
  it('dev writes and applies a migration, with a shadow database that is gone afterwards', async () => {
    const { url } = await emptyDatabase();
    await schema(FIRST_MODEL);
    await prisma(url, 'migrate', 'dev', '--name', 'first');
    expect(await query(url, 'SELECT * FROM "Ship"')).toEqual([]);

    await schema(SECOND_MODEL);
    await prisma(url, 'migrate', 'dev', '--name', 'crew', '--create-only');
    const [, second] = (await readdir(join(project, 'migrations'))).filter((name) => name !== 'migration_lock.toml').toSorted();
    const sqlFile = join(project, 'migrations', second ?? '', 'migration.sql');
    const sql = await readFile(sqlFile, 'utf8');
    expect(sql).toContain('ADD COLUMN     "crew"');
    await writeFile(sqlFile, sql + FUNCTION);
    await prisma(url, 'migrate', 'dev');
    expect(await query(url, 'SELECT launch()')).toEqual([{ launch: 3 }]);
    expect(await query(url, `SELECT datname FROM pg_database WHERE datname LIKE 'prisma_migrate_shadow%'`)).toEqual([]);
    expect(await prisma(url, 'migrate', 'status')).toContain('Database schema is up to date');
  });

  it('deploy makes the database, takes callers at once, and changes nothing the second time', async () => {
    const { url } = await emptyDatabase();
    const missing = new URL(url);
    missing.pathname = `${missing.pathname}_made_by_deploy`;
    const options = { configFile, migrationsDir: join(project, 'migrations') };
    try {
      await Promise.all(Array.from({ length: 4 }, () => migrateDeploy(missing.href, options)));
      const applied = await query(missing.href, 'SELECT migration_name, applied_steps_count FROM _prisma_migrations');
      expect(applied).toHaveLength(2);
      await migrateDeploy(missing.href, options);
      expect(await query(missing.href, 'SELECT count(*)::int AS count FROM _prisma_migrations')).toEqual([{ count: 2 }]);
      expect(await query(missing.href, 'SELECT launch()')).toEqual([{ launch: 3 }]);
    } finally {
      await query(url, `DROP DATABASE IF EXISTS "${missing.pathname.slice(1)}" WITH (FORCE)`);
    }
  });

  it('status names what is not applied, and a broken migration is told with its reason', async () => {
    const { url } = await emptyDatabase();
    await expect(prisma(url, 'migrate', 'status')).rejects.toThrow(/have not yet been applied/);
    const broken = join(project, 'migrations', '29990101000000_broken');
    await mkdir(broken);
    await writeFile(join(broken, 'migration.sql'), 'ALTER TABLE "Nowhere" ADD COLUMN x int;\n');
    try {
      await expect(migrateDeploy(url, { configFile, migrationsDir: join(project, 'migrations') })).rejects.toThrow(/could not be migrated[^]*Nowhere/);
    } finally {
      await rm(broken, { recursive: true });
    }
  });
});

it('the committed migrations make exactly the schema, and nothing that Prisma would drop', async () => {
  const { url } = await emptyDatabase();
  const { exitCode, output } = await runPrisma({ args: ['migrate', 'diff', '--from-migrations', 'migrations', '--to-schema', 'schema.prisma', '--exit-code'], databaseUrl: url });
  expect(output).toContain('No difference detected');
  expect(exitCode).toBe(0);
});

it('keeps the password out of the arguments of every process', async () => {
  const { url } = await emptyDatabase();
  const { default: config } = await import('../prisma.config.js');
  expect(config.datasource.url).not.toContain(new URL(url).password);
});
