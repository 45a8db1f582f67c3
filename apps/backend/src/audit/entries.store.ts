import type { PrismaClient } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { GENESIS, type Link, type SealedLink } from './chain.rules.js';

/** One sealer at a time, whatever the lease says. */
const SEAL_LOCK = 7_311_203_043n;

export async function lockSealing(tx: Tx): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(${SEAL_LOCK})`;
}

export async function headOf(tx: Tx): Promise<{ seq: bigint; hash: string }> {
  const [row] = await tx.$queryRaw<{ seq: bigint; hash: string }[]>`SELECT seq, hash FROM "LedgerEntry" WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1`;
  return row ?? { seq: 0n, hash: GENESIS };
}

export async function unsealed(tx: Tx, limit: number): Promise<Omit<Link, 'seq'>[]> {
  return await tx.$queryRaw<Omit<Link, 'seq'>[]>`
    SELECT id, "eventType", "nodeId", "jobId", "ownerId", credits::text AS credits, data, timestamp FROM "LedgerEntry" WHERE seq IS NULL ORDER BY id LIMIT ${limit}::int`;
}

export async function writeSeals(tx: Tx, links: readonly { id: string; seq: bigint; prevHash: string; hash: string }[], signature: string): Promise<void> {
  const rows = JSON.stringify(links.map(({ id, seq, prevHash, hash }) => ({ id, seq: seq.toString(), prev: prevHash, hash })));
  const sealed = await tx.$executeRaw`
    UPDATE "LedgerEntry" e SET seq = w.seq, "prevHash" = w.prev, hash = w.hash, signature = ${signature}
    FROM json_to_recordset(${rows}::json) AS w(id uuid, seq bigint, prev text, hash text) WHERE e.id = w.id AND e.seq IS NULL`;
  if (sealed !== links.length) throw new Error('an entry was sealed by somebody else');
}

/** The next sealed entries after a number. */
export async function sealedAfter(db: Tx | PrismaClient, seq: bigint, limit: number): Promise<SealedLink[]> {
  return await db.$queryRaw<SealedLink[]>`
    SELECT seq, id, "eventType", "nodeId", "jobId", "ownerId", credits::text AS credits, data, timestamp, "prevHash", hash, signature
    FROM "LedgerEntry" WHERE seq > ${seq} ORDER BY seq LIMIT ${limit}::int`;
}
