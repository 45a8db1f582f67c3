import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@muster/local-services';
import { migrateDeploy, migrationChecksums } from '@muster/prisma';
import pg from 'pg';
import { claimServerDir, removeServerDir } from './test-servers.js';

/** Environment through which a server reaches the test processes of a run. */
export const POSTGRES_URL_VARIABLE = 'MUSTER_TEST_PG_URL';

/** Locks the making of the template among the packages of one run. */
const TEMPLATE_LOCK = 7_311_203_042;

export interface TestPostgresServer {
  url: string;
  stop(): Promise<void>;
}

/** Where programs that tests need are kept between runs: outside the tree, open to other Unix users. */
export function testCacheDir(): string {
  return process.env['MUSTER_TEST_CACHE'] ?? (process.getuid?.() === 0 ? '/var/cache/muster' : join(homedir(), '.cache/muster'));
}

/** The server of this run: the one that the environment names, else a new one that `stop` removes. */
export async function acquireTestPostgres(): Promise<TestPostgresServer> {
  const given = process.env[POSTGRES_URL_VARIABLE];
  if (given) return { url: given, stop: async () => undefined };
  const dir = await claimServerDir('postgres');
  const cacheDir = testCacheDir();
  await mkdir(cacheDir, { recursive: true, mode: 0o755 });
  const server = await startPostgres({ dir, cacheDir, durable: false, settings: { max_connections: '300', shared_buffers: '64MB' } });
  const stop = async () => {
    await server.stop();
    await removeServerDir(dir);
  };
  return { url: server.url(), stop };
}

/** Name of the migrated database that test databases are copied from; another set of migrations has another name. */
export async function templateName(): Promise<string> {
  const sums = [...(await migrationChecksums())].flat().join('\n');
  return `muster_template_${createHash('sha256').update(sums).digest('hex').slice(0, 12)}`;
}

/** Migrates the template once per server. It appears under its name only when it is complete. */
export async function ensureTemplate(serverUrl: string): Promise<void> {
  const name = await templateName();
  await withAdmin(serverUrl, async (admin) => {
    await admin.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    const known = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (known.rowCount) return;
    const building = `${name}_building`;
    await admin.query(`DROP DATABASE IF EXISTS ${building} WITH (FORCE)`);
    await migrateDeploy(databaseUrl(serverUrl, building));
    await admin.query(`ALTER DATABASE ${building} RENAME TO ${name}`);
    await admin.query(`ALTER DATABASE ${name} ALLOW_CONNECTIONS false`);
  });
}

export function databaseUrl(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}

export async function withAdmin<T>(serverUrl: string, work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: serverUrl });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}
