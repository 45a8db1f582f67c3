import type { Contributor } from '@muster/shared-types';
import type { PrismaClient } from '@muster/prisma';
import { z } from 'zod';
import { readCursor, writeCursor, type Page } from '../../platform/cursor.js';

interface Row {
  id: string;
  name: string | null;
  nodes: bigint;
  valid: bigint;
  earned: bigint;
  since: Date;
}

const BY_CREDIT = { key: z.string().regex(/^\d{1,20}$/), id: z.uuid() };

/**
 * Everybody whose machines computed something for others and who did not opt out, most credit first. Work for oneself is in none of
 * these counters.
 */
export async function contributorsPage(db: PrismaClient, query: { cursor?: string | undefined; limit: number }): Promise<Page<Contributor>> {
  const after = readCursor(query.cursor, BY_CREDIT);
  const rows = await db.$queryRaw<Row[]>`
    SELECT * FROM (
      SELECT u.id, u."wallName" AS name, count(*) AS nodes, sum(n."successfulJobsRun")::bigint AS valid, sum(n."creditsEarned")::bigint AS earned, min(n."registeredAt") AS since
      FROM "HostNode" n JOIN "User" u ON u.id = n."ownerId" WHERE u."wallShown" AND u."disabledAt" IS NULL AND n."successfulJobsRun" > 0 GROUP BY u.id) w
    WHERE ${after?.[0] ?? null}::bigint IS NULL OR (w.earned, w.id) < (${after?.[0] ?? null}::bigint, ${after?.[1] ?? null}::uuid)
    ORDER BY w.earned DESC, w.id DESC LIMIT ${query.limit + 1}`;
  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  return { items: shown.map(toContributor), next: rows.length > query.limit && last ? writeCursor([last.earned.toString(), last.id]) : null };
}

const toContributor = (row: Row): Contributor => ({
  owner: row.name ?? anonymousName(row.id),
  nodes: Number(row.nodes),
  executions_valid: Number(row.valid),
  credits: Number(row.earned) / 1_000,
  since: row.since.toISOString(),
});

/** Says nothing of a person but that it is the same one. */
export const anonymousName = (userId: string): string => `contributor-${userId.slice(-8)}`;
