import type { TaskStatus, TaskView, Vote } from '@muster/shared-types';
import type { PrismaClient } from '@muster/prisma';
import { z } from 'zod';
import { readCursor, writeCursor, type Page } from '../platform/cursor.js';
import { faultOf, textOrBase64 } from './shown.rules.js';

const SHOWN_BYTES = 65_536;

interface Row {
  id: string;
  index: number;
  kind: 'task' | 'aggregate';
  label: string;
  status: TaskStatus;
  hash: string | null;
  fault: string | null;
  message: string | null;
  decided: Date | null;
  result: Uint8Array | null;
  votes: Vote[] | null;
}

const BY_INDEX = { key: z.string().regex(/^\d{1,7}$/), id: z.uuid() };

export interface TasksQuery {
  cursor?: string | undefined;
  limit: number;
  status?: TaskStatus | undefined;
}

/** Tasks of a job by their index, each with its votes: the hash that most nodes gave first. */
export async function tasksPage(db: PrismaClient, jobId: string, query: TasksQuery): Promise<Page<TaskView>> {
  const after = readCursor(query.cursor, BY_INDEX)?.[0] ?? null;
  const rows = await db.$queryRaw<Row[]>`
    WITH page AS MATERIALIZED (
      SELECT t.* FROM "Task" t WHERE t."jobId" = ${jobId}::uuid AND (${after}::int IS NULL OR t.index > ${after}::int)
        AND (${query.status ?? null}::text IS NULL OR t.status = ${query.status ?? null}::"TaskStatus")
      ORDER BY t.index LIMIT ${query.limit + 1})
    SELECT t.id, t.index, t.kind, t.label, t.status::text AS status, t."resultHash" AS hash, t."faultCode" AS fault, t."faultMessage" AS message, t."decidedAt" AS decided,
      (SELECT CASE WHEN octet_length(c.result) <= ${SHOWN_BYTES}::int THEN c.result END FROM "JobExecution" c WHERE c.id = t."canonicalId") AS result, v.votes
    FROM page t LEFT JOIN LATERAL (
      SELECT jsonb_agg(jsonb_build_object('result_hash', g.hash, 'count', g.count, 'nodes', g.nodes) ORDER BY g.count DESC, g.hash) AS votes FROM (
        SELECT e."resultHash" AS hash, count(*) AS count, array_agg(n.name ORDER BY e.copy) AS nodes
        FROM "JobExecution" e JOIN "HostNode" n ON n.id = e."nodeId"
        WHERE e."taskId" = t.id AND e.status = 'reported' AND e.purpose = 'copy' GROUP BY 1) g) v ON true
    ORDER BY t.index`;
  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  return { items: shown.map(toView), next: rows.length > query.limit && last ? writeCursor([String(last.index), last.id]) : null };
}

function toView(row: Row): TaskView {
  const { result, encoding } = row.result === null ? { result: null, encoding: 'utf8' as const } : textOrBase64(row.result);
  return {
    id: row.id,
    index: row.index,
    kind: row.kind,
    label: row.label,
    status: row.status,
    votes: row.votes ?? [],
    result,
    result_encoding: encoding,
    result_hash: row.hash,
    fault: faultOf(row.fault, row.message),
    decided_at: row.decided?.toISOString() ?? null,
  };
}
