import { formatUsd, type ExecutionView } from '@muster/shared-types';
import type { PrismaClient } from '@muster/prisma';
import { z } from 'zod';
import { readCursor, writeCursor, type Page } from '../platform/cursor.js';
import { faultOf, textOrBase64 } from './shown.rules.js';

/** A longer result is fetched as such (`/result`): a page of executions must stay a page. */
const SHOWN_BYTES = 65_536;

interface Row {
  id: string;
  job: string;
  task: string;
  task_index: number;
  copy: number;
  attempt: number;
  node: string | null;
  node_name: string | null;
  status: ExecutionView['status'];
  verdict: ExecutionView['verdict'];
  started: Date | null;
  completed: Date | null;
  duration: number | null;
  result: Uint8Array | null;
  hash: string | null;
  exit_code: number | null;
  fault: string | null;
  message: string | null;
  logs: string;
  paid: bigint;
  delta: number;
}

const BY_ID = { key: z.uuid(), id: z.uuid() };

/** Executions of a job in the order in which they were made: by task and copy, those made later (disputes, retries) after them. */
export async function executionsPage(db: PrismaClient, jobId: string, query: { cursor?: string | undefined; limit: number; task?: number | undefined }): Promise<Page<ExecutionView>> {
  const after = readCursor(query.cursor, BY_ID)?.[1] ?? null;
  const rows = await db.$queryRaw<Row[]>`
    SELECT e.id, e."jobId" AS job, e."taskId" AS task, t.index AS task_index, e.copy, e.attempt, e."nodeId" AS node, n.name AS node_name, e.status::text AS status, e.verdict::text AS verdict,
      e."startedAt" AS started, e."completedAt" AS completed, e."durationMs" AS duration, CASE WHEN octet_length(e.result) <= ${SHOWN_BYTES}::int THEN e.result END AS result,
      e."resultHash" AS hash, e."exitCode" AS exit_code, e."faultCode" AS fault, e."errorMessage" AS message, e.logs, e."paidMicro" AS paid, e."reputationDelta" AS delta
    FROM "JobExecution" e JOIN "Task" t ON t.id = e."taskId" LEFT JOIN "HostNode" n ON n.id = e."nodeId"
    WHERE e."jobId" = ${jobId}::uuid AND (${after}::uuid IS NULL OR e.id > ${after}::uuid)
      AND (${query.task ?? null}::int IS NULL OR e."taskId" = (SELECT id FROM "Task" WHERE "jobId" = ${jobId}::uuid AND index = ${query.task ?? null}::int))
    ORDER BY e.id LIMIT ${query.limit + 1}`;
  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  return { items: shown.map(toView), next: rows.length > query.limit && last ? writeCursor([last.id, last.id]) : null };
}

function toView(row: Row): ExecutionView {
  const { result, encoding } = row.result === null ? { result: null, encoding: 'utf8' as const } : textOrBase64(row.result);
  return {
    id: row.id,
    job_id: row.job,
    task_id: row.task,
    task_index: row.task_index,
    copy: row.copy,
    attempt: row.attempt,
    node_id: row.node,
    node_name: row.node_name,
    status: row.status,
    verdict: row.verdict,
    started_at: row.started?.toISOString() ?? null,
    completed_at: row.completed?.toISOString() ?? null,
    duration_ms: row.duration,
    result,
    result_encoding: encoding,
    result_hash: row.hash,
    exit_code: row.exit_code,
    error_message: row.message,
    fault: faultOf(row.fault, row.message),
    logs: row.logs,
    paid_usd: formatUsd(row.paid),
    reputation_delta: row.delta,
  };
}
