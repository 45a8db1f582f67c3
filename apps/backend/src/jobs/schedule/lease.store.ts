import { Prisma, type PrismaClient } from '@muster/prisma';
import { refreshStatus, statusWithCpuUsed } from '../../fleet/for-jobs.js';
import type { Need } from './need.rules.js';
import type { Assignment } from './schedule.rules.js';

export interface LeaseWish extends Assignment {
  need: Need;
  leaseS: number;
}

/** An execution as it was leased, with what differs between the tasks of a job. */
export interface LeasedRow {
  id: string;
  attempt: number;
  job: string;
  node: string;
  task: string;
  task_index: number;
  kind: string;
  environment: unknown;
  part: unknown;
}

/**
 * Leases in one statement what still can be leased of what was planned. Invariants, kept here and by constraints:
 * - a copy is leased once: its row is taken only while it is `ready`, and a row in another's hand is passed by;
 * - a node is never over-committed: its row is locked, and copies that do not fit into what is free now are left out;
 * - a device has one holder: only free ones count, and a copy gets all it asked for or is left out.
 * Nodes are locked by id before anything waits; copies and devices are never waited for. So no two of us deadlock.
 */
export async function leaseAll(db: PrismaClient, wishes: readonly LeaseWish[], now: Date): Promise<LeasedRow[]> {
  const rows = JSON.stringify(
    wishes.map((wish) => ({
      id: wish.copyId, job: wish.jobId, node: wish.nodeId, owner: wish.ownerId, dkey: wish.distinctKey, rate: wish.rateMicroHour.toString(), lease_s: wish.leaseS,
      cpu: wish.need.cpuCores, ram: wish.need.memoryMb, disk: wish.need.diskGb, gpus: wish.gpuIds,
    })),
  );
  const at = now.toISOString();
  return await db.$queryRaw<LeasedRow[]>`
    /* muster:lease */ WITH want AS MATERIALIZED (
      SELECT * FROM json_to_recordset(${rows}::json)
        AS w(id uuid, job uuid, node uuid, owner uuid, dkey uuid, rate bigint, lease_s int, cpu int, ram int, disk int, gpus uuid[])
    ), room AS MATERIALIZED (
      SELECT n.id, n."cpuTotal" - n."cpuUsed" AS cpu, n."ramMbTotal" - n."ramMbUsed" AS ram, n."diskGbTotal" - n."diskGbUsed" AS disk
      FROM "HostNode" n WHERE n.id IN (SELECT node FROM want) AND n.lifecycle = 'verified' AND n.presence = 'online' AND n.listing = 'listed'
      ORDER BY n.id FOR NO KEY UPDATE
    ), mine AS MATERIALIZED (
      SELECT w.* FROM want w JOIN "JobExecution" e ON e.id = w.id WHERE e.status = 'ready' FOR UPDATE OF e SKIP LOCKED
    ), device AS MATERIALIZED (
      SELECT g.id FROM "Gpu" g WHERE g.id IN (SELECT unnest(gpus) FROM mine) AND g."rentalId" IS NULL AND g."executionId" IS NULL AND g.state = 'ok' FOR NO KEY UPDATE SKIP LOCKED
    ), fit AS MATERIALIZED (
      SELECT s.* FROM (
        SELECT m.*, sum(m.cpu) OVER here AS cpus, sum(m.ram) OVER here AS rams, sum(m.disk) OVER here AS disks FROM mine m WINDOW here AS (PARTITION BY m.node ORDER BY m.id)) s
      JOIN room r ON r.id = s.node
      WHERE s.cpus <= r.cpu AND s.rams <= r.ram AND s.disks <= r.disk
        AND (s.gpus = '{}' OR cardinality(s.gpus) = (SELECT count(*) FROM device d WHERE d.id = ANY(s.gpus)))
    ), leased AS (
      UPDATE "JobExecution" e SET status = 'leased', "nodeId" = f.node, "ownerId" = f.owner, "distinctKey" = f.dkey, "rateMicroHour" = f.rate,
        "startedAt" = ${at}::timestamptz, "leaseUntil" = ${at}::timestamptz + f.lease_s * interval '1 second'
      FROM fit f WHERE e.id = f.id RETURNING e.id, e.attempt, e."jobId" AS job, e."nodeId" AS node, e."taskId" AS task
    ), taken AS (
      UPDATE "HostNode" n SET "cpuUsed" = n."cpuUsed" + t.cpu, "ramMbUsed" = n."ramMbUsed" + t.ram, "diskGbUsed" = n."diskGbUsed" + t.disk,
        status = ${statusWithCpuUsed(Prisma.sql`n."cpuUsed" + t.cpu`)}
      FROM (SELECT node, sum(cpu)::int AS cpu, sum(ram)::int AS ram, sum(disk)::int AS disk FROM fit GROUP BY node) t WHERE n.id = t.node
    ), held AS (
      UPDATE "Gpu" g SET "executionId" = f.id FROM fit f WHERE g.id = ANY(f.gpus)
    ), told AS (
      INSERT INTO "OutboxEvent" (name, "aggregateId", payload, "createdAt")
      SELECT 'TaskAssignedEvent', job, jsonb_build_object('job_id', job, 'executions', count(*), 'nodes', count(DISTINCT node)), ${at}::timestamptz FROM fit GROUP BY job
    )
    SELECT l.*, t.index AS task_index, t.kind, t.environment, t.part FROM leased l JOIN "Task" t ON t.id = l.task`;
}

/** What devices say of a node is seen once they are held: one row at a time, so that it waits for nobody in a wrong order. */
export async function refreshHolders(db: PrismaClient, wishes: readonly LeaseWish[]): Promise<void> {
  const holders = new Set(wishes.filter((wish) => wish.gpuIds.length > 0).map((wish) => wish.nodeId));
  for (const nodeId of holders) await refreshStatus(db, [nodeId]);
}

/** Jobs of which something is leased now are scheduled and wait for nothing. A row in another's hand gets it with its next change. */
export async function markScheduled(db: PrismaClient, jobIds: readonly string[], now: Date): Promise<void> {
  await db.$executeRaw`
    /* muster:scheduled */ UPDATE "Job" SET status = CASE WHEN status = 'pending' THEN 'scheduled' ELSE status END, "startedAt" = coalesce("startedAt", ${now.toISOString()}::timestamptz),
      "waitingCode" = NULL, "waitingMessage" = NULL
    WHERE id IN (SELECT id FROM "Job" WHERE id = ANY(${[...jobIds]}::uuid[]) AND (status = 'pending' OR "waitingCode" IS NOT NULL)
                 AND status NOT IN ('completed', 'failed', 'cancelled') ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)`;
}
