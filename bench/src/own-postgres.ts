import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { startPostgres } from '@muster/local-services';
import { createClient, migrateDeploy, type PrismaClient } from '@muster/prisma';
import { testCacheDir } from '@muster/testkit';

/** What a figure was measured on. */
export const conditions = { cores: cpus().length, postgres: 'on disk, fsync on, same machine', node: process.version };

/** Runs the work on a migrated database of a Postgres of its own: durable, on disk, removed afterwards. */
export async function withOwnPostgres<T>(connections: number, work: (db: PrismaClient) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), 'muster-bench-'));
  await chmod(dir, 0o755);
  const server = await startPostgres({ dir: join(dir, 'postgres'), cacheDir: testCacheDir(), durable: true });
  try {
    const url = server.url('bench');
    await migrateDeploy(url);
    const db = createClient({ connectionString: url, max: connections });
    try {
      return await work(db);
    } finally {
      await db.$disconnect();
    }
  } finally {
    await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

/** `--requests 3000 --nodes 13` over these defaults. Throws on a name that is not among them. */
export function numbers<T extends Record<string, number>>(defaults: T, argv: readonly string[] = process.argv.slice(2)): T {
  const chosen: Record<string, number> = { ...defaults };
  for (let i = 0; i < argv.length; i += 2) {
    const name = (argv[i] ?? '').replace(/^--/, '');
    const value = Number(argv[i + 1]);
    if (!(name in defaults) || !Number.isInteger(value) || value < 0) throw new Error(`usage: ${Object.entries(defaults).map(([key, fallback]) => `[--${key} ${fallback}]`).join(' ')}`);
    chosen[name] = value;
  }
  return chosen as T;
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return Math.round((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0) * 10) / 10;
}
