import { migrationChecksums } from '@muster/prisma';
import type { Db } from './db.js';

/** Names of shipped migrations that this database does not have (or has with other content), in order. */
export async function pendingMigrations(db: Db): Promise<string[]> {
  const shipped = await migrationChecksums();
  const applied = await appliedChecksums(db);
  return [...shipped].filter(([name, checksum]) => applied.get(name) !== checksum).map(([name]) => name);
}

async function appliedChecksums(db: Db): Promise<Map<string, string>> {
  const known = await db.client.$queryRaw<{ known: boolean }[]>`SELECT to_regclass('public._prisma_migrations') IS NOT NULL AS known`;
  if (known[0]?.known !== true) return new Map();
  const rows = await db.client.$queryRaw<{ migration_name: string; checksum: string }[]>`
    SELECT migration_name, checksum FROM _prisma_migrations WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL`;
  return new Map(rows.map((row) => [row.migration_name, row.checksum]));
}
