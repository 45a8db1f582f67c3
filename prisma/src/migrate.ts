import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { connectionFields, createDatabase, withClient } from './engine/connection.js';
import { MIGRATIONS_DIR, runPrisma } from './prisma-cli.js';

/** Taken for the time of a deploy: Prisma's own lock gives up after ten seconds, ours waits for the first to finish. */
const DEPLOY_LOCK = 7_311_203_041;

export interface DeployOptions {
  configFile?: string;
  migrationsDir?: string;
}

/**
 * Brings a database to the newest migration: makes it when missing, then runs Prisma's own `migrate deploy`.
 * Any number of processes may call it at once. Throws with Prisma's words when a migration fails.
 */
export async function migrateDeploy(databaseUrl: string, options: DeployOptions = {}): Promise<void> {
  const fields = connectionFields(databaseUrl);
  await createDatabase(fields);
  await withClient(fields, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [DEPLOY_LOCK]);
    if (await isUpToDate(client, options.migrationsDir ?? MIGRATIONS_DIR)) return;
    const { exitCode, output } = await runPrisma({ args: ['migrate', 'deploy'], databaseUrl, ...(options.configFile ? { configFile: options.configFile } : {}) });
    if (exitCode !== 0) throw new Error(`the database could not be migrated:\n${output.trim()}`);
  });
}

/** True when every migration of the folder stands in Prisma's own table as finished, with the same content. */
async function isUpToDate(client: pg.Client, migrationsDir: string): Promise<boolean> {
  const known = await client.query<{ known: boolean }>(`SELECT to_regclass('public._prisma_migrations') IS NOT NULL AS known`);
  if (!known.rows[0]?.known) return false;
  const applied = await client.query<{ migration_name: string; checksum: string }>(
    'SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL',
  );
  const checksums = new Map(applied.rows.map((row) => [row.migration_name, row.checksum]));
  const shipped = await migrationChecksums(migrationsDir);
  return shipped.size === checksums.size && [...shipped].every(([name, checksum]) => checksums.get(name) === checksum);
}

/** SHA-256 (hex) of each migration's SQL by its folder name, as Prisma records it. */
export async function migrationChecksums(migrationsDir: string = MIGRATIONS_DIR): Promise<Map<string, string>> {
  const entries = await readdir(migrationsDir, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name).toSorted();
  const sums = names.map(async (name): Promise<[string, string]> => {
    const sql = await readFile(join(migrationsDir, name, 'migration.sql'));
    return [name, createHash('sha256').update(sql).digest('hex')];
  });
  return new Map(await Promise.all(sums));
}
