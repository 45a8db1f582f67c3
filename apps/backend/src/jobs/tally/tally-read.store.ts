import type { ExecutionStatus, ExecutionVerdict, TaskStatus } from '@muster/shared-types';
import type { Tx } from '../../platform/db.js';

/** A run as it stands, under the lock of its job. */
export interface RunRow {
  id: string;
  job: string;
  task: string;
  copy: number;
  attempt: number;
  purpose: 'copy' | 'recheck';
  node: string | null;
  owner: string | null;
  key: string | null;
  status: ExecutionStatus;
  verdict: ExecutionVerdict;
  hash: string | null;
  bytes: Uint8Array | null;
  blame: string | null;
  fault: string | null;
  message: string | null;
  started: Date | null;
  completed: Date | null;
  duration: number | null;
  rate: bigint;
  task_status: TaskStatus;
  canonical: string | null;
  task_index: number;
}

/** Locks the jobs of these executions, by id: tallies of one job follow each other, on whichever replica. */
export async function lockJobsOf(tx: Tx, executionIds: readonly string[]): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    /* muster:tally-lock */ SELECT id FROM "Job" WHERE id IN (SELECT "jobId" FROM "JobExecution" WHERE id = ANY(${[...executionIds]}::uuid[]))
    ORDER BY id FOR NO KEY UPDATE`;
  return rows.map((row) => row.id);
}

/** A run as JSON carries it. */
type WireRow = Omit<RunRow, 'rate' | 'bytes' | 'started' | 'completed'> & { rate: number | string; bytes: string | null; started: string | null; completed: string | null };

/**
 * All runs of the tasks that these executions belong to. Results themselves only where numbers may differ a little. As one
 * value: of thousands of rows the client would look at every column by itself.
 */
export async function runsOf(tx: Tx, executionIds: readonly string[]): Promise<RunRow[]> {
  const [all] = await tx.$queryRaw<{ rows: string | null }[]>`
    /* muster:tally-read */ SELECT json_agg(r)::text AS rows FROM (
      SELECT e.id, e."jobId" AS job, e."taskId" AS task, e.copy, e.attempt, e.purpose, e."nodeId" AS node, e."ownerId" AS owner, e."distinctKey" AS key,
        e.status, e.verdict, e."resultHash" AS hash, CASE WHEN j.spec->'compare'->>'kind' = 'tolerance' THEN encode(e.result, 'base64') END AS bytes,
        e."faultBlame" AS blame, e."faultCode" AS fault, e."errorMessage" AS message, e."startedAt" AS started, e."completedAt" AS completed, e."durationMs" AS duration,
        e."rateMicroHour"::text AS rate, t.status AS task_status, t."canonicalId" AS canonical, t.index AS task_index
      FROM "JobExecution" e JOIN "Task" t ON t.id = e."taskId" JOIN "Job" j ON j.id = e."jobId"
      WHERE e."taskId" IN (SELECT "taskId" FROM "JobExecution" WHERE id = ANY(${[...executionIds]}::uuid[]))) r`;
  return all?.rows == null ? [] : (JSON.parse(all.rows) as WireRow[]).map(fromWire);
}

function fromWire({ rate, bytes, started, completed, ...row }: WireRow): RunRow {
  const at = (text: string | null): Date | null => (text === null ? null : new Date(text));
  return { ...row, rate: BigInt(rate), bytes: bytes === null ? null : Buffer.from(bytes, 'base64'), started: at(started), completed: at(completed) };
}

export interface BatchHead {
  nodeId: string;
  seq: number;
  root: string;
  count: number;
  signature: string;
}

/** Keeps signed batches; returns those whose number the node has used before for something else. */
export async function keepBatches(tx: Tx, batches: readonly BatchHead[], now: Date): Promise<{ nodeId: string; seq: number }[]> {
  if (batches.length === 0) return [];
  const rows = JSON.stringify(batches);
  const others = await tx.$queryRaw<{ node: string; seq: bigint }[]>`
    /* muster:batches */ WITH w AS MATERIALIZED (
      SELECT DISTINCT ON ("nodeId", seq) * FROM json_to_recordset(${rows}::json) AS w("nodeId" uuid, seq bigint, root text, count int, signature text) ORDER BY "nodeId", seq, root
    ), kept AS (
      INSERT INTO "ResultBatch" ("nodeId", seq, root, count, signature, "receivedAt")
      SELECT "nodeId", seq, root, count, signature, ${now.toISOString()}::timestamptz FROM w ON CONFLICT DO NOTHING
    )
    SELECT b."nodeId" AS node, b.seq FROM w JOIN "ResultBatch" b ON b."nodeId" = w."nodeId" AND b.seq = w.seq WHERE b.root <> w.root`;
  return others.map((row) => ({ nodeId: row.node, seq: Number(row.seq) }));
}
