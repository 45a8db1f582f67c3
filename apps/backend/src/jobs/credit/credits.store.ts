import type { CreditsView } from '@muster/shared-types';
import { Prisma, type PrismaClient } from '@muster/prisma';

export interface NodeCredit {
  id: string;
  name: string;
  ownerId: string;
  earnedMicro: bigint;
  valid: number;
  invalid: number;
  reputation: number;
}

const columns = Prisma.sql`id, name, "ownerId", "creditsEarned" AS "earnedMicro", "successfulJobsRun" AS valid, "failedJobs" AS invalid, "reputationScore" AS reputation`;

export async function nodeCreditsOf(db: PrismaClient, ownerId: string): Promise<NodeCredit[]> {
  return await db.$queryRaw<NodeCredit[]>`SELECT ${columns} FROM "HostNode" WHERE "ownerId" = ${ownerId}::uuid ORDER BY id DESC`;
}

export interface EntryRow {
  id: string;
  eventType: string;
  nodeId: string | null;
  jobId: string | null;
  credits: string;
  timestamp: Date;
  hash: string | null;
}

/** The last entries about a node, or about everything of an account. */
export async function lastEntries(db: PrismaClient, of: { nodeId: string } | { ownerId: string }, limit: number): Promise<EntryRow[]> {
  const whose = 'nodeId' in of ? Prisma.sql`"nodeId" = ${of.nodeId}::uuid` : Prisma.sql`"ownerId" = ${of.ownerId}::uuid`;
  return await db.$queryRaw<EntryRow[]>`
    SELECT id, "eventType", "nodeId", "jobId", credits::text AS credits, timestamp, hash FROM "LedgerEntry" WHERE ${whose} ORDER BY timestamp DESC, id DESC LIMIT ${limit}::int`;
}

export const toEntry = (row: EntryRow): CreditsView['entries'][number] => ({
  id: row.id, event_type: row.eventType, node_id: row.nodeId, job_id: row.jobId, credits: Number(row.credits), timestamp: row.timestamp.toISOString(), hash: row.hash,
});
