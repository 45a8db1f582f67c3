import { Prisma } from '@muster/prisma';
import type { Invariant } from './invariant.js';

/** Copies that hold something of a node. */
const LIVE = Prisma.sql`('leased', 'running')`;
const TERMINAL = Prisma.sql`('completed', 'failed', 'cancelled')`;

/** What is always true of jobs, their money and what they hold. `docs/verification.md` numbers them as here. */
export const JOB_INVARIANTS: readonly Invariant[] = [
  {
    id: 'job_escrow',
    title: 'I1: the escrow of a job is what was held less what was paid and refunded, never below zero, and each of these is its transfers',
    violations: Prisma.sql`
      SELECT 'job ' || j.id AS what FROM "Job" j LEFT JOIN "LedgerAccount" a ON a."jobId" = j.id
      LEFT JOIN (SELECT "referenceId" AS job, sum("amountMicro") FILTER (WHERE kind = 'job_hold') AS held, sum("amountMicro") FILTER (WHERE kind = 'job_pay') AS paid,
                   sum("amountMicro") FILTER (WHERE kind = 'job_refund') AS refunded
                 FROM "LedgerTransfer" WHERE kind IN ('job_hold', 'job_pay', 'job_refund') GROUP BY 1) t ON t.job = j.id
      WHERE a.balance IS DISTINCT FROM j."heldMicro" - j."paidMicro" - j."refundedMicro" OR a.balance < 0
        OR coalesce(t.held, 0) <> j."heldMicro" OR coalesce(t.paid, 0) <> j."paidMicro" OR coalesce(t.refunded, 0) <> j."refundedMicro"`,
  },
  {
    id: 'job_settled',
    title: 'I1: ten seconds after a job has ended and its last copy too, nothing is left in its escrow',
    violations: Prisma.sql`
      SELECT 'job ' || j.id AS what FROM "Job" j JOIN "LedgerAccount" a ON a."jobId" = j.id
      WHERE j.status IN ${TERMINAL} AND a.balance <> 0 AND j."completedAt" < now() - interval '10 seconds'
        AND NOT EXISTS (SELECT 1 FROM "JobExecution" e WHERE e."jobId" = j.id AND (e.status IN ${LIVE} OR e."completedAt" > now() - interval '10 seconds'))`,
  },
  {
    id: 'executions_paid',
    title: 'I2: an execution is paid at most once, by a transfer to its own host; one that was not found valid never',
    violations: Prisma.sql`
      SELECT 'execution ' || id AS what FROM "JobExecution"
      WHERE "paidMicro" > 0 AND (verdict NOT IN ('valid', 'late_valid') OR status <> 'reported' OR purpose <> 'copy' OR "transferId" IS NULL)
      UNION ALL
      SELECT 'transfer ' || t.id FROM "LedgerTransfer" t
      LEFT JOIN LATERAL (SELECT sum(e."paidMicro") AS paid, bool_and(e."jobId" = t."referenceId" AND e."ownerId" = c."ownerId") AS own
                         FROM "JobExecution" e JOIN "LedgerAccount" c ON c.id = t."creditAccountId" WHERE e."jobId" = t."referenceId" AND e."transferId" = t.id) p ON true
      WHERE t.kind = 'job_pay' AND (p.paid IS DISTINCT FROM t."amountMicro" OR NOT p.own)
      UNION ALL
      SELECT 'job ' || j.id FROM "Job" j LEFT JOIN (SELECT "jobId", sum("paidMicro") AS paid FROM "JobExecution" WHERE "paidMicro" > 0 GROUP BY 1) e ON e."jobId" = j.id
      WHERE coalesce(e.paid, 0) <> j."paidMicro"`,
  },
  {
    id: 'copy_paid_once',
    title: 'I2: of the attempts at one copy at most one is paid, and nobody is paid by his own job',
    violations: Prisma.sql`
      SELECT 'task ' || "taskId" || ' copy ' || copy AS what FROM "JobExecution" WHERE "paidMicro" > 0 GROUP BY "taskId", copy HAVING count(*) > 1
      UNION ALL
      SELECT 'execution ' || e.id FROM "JobExecution" e JOIN "Job" j ON j.id = e."jobId" WHERE e."paidMicro" > 0 AND e."ownerId" = j."submittedBy"`,
  },
  {
    id: 'copies_distinct',
    title: 'I3: no two copies of a task share an owner, or a node where the job says so',
    violations: Prisma.sql`
      SELECT 'task ' || e."taskId" AS what FROM "JobExecution" e JOIN "Job" j ON j.id = e."jobId"
      WHERE e.purpose = 'copy' AND (e.status IN ('leased', 'running', 'reported') OR (e.status = 'errored' AND e."faultBlame" = 'job'))
      GROUP BY e."taskId", CASE WHEN j."distinctBy" = 'owner' THEN e."ownerId" ELSE e."nodeId" END HAVING count(*) > 1`,
  },
  {
    id: 'results_agreed',
    title: 'I6: a final result is one that enough distinct votes gave; where numbers are compared, its own execution gave it',
    violations: Prisma.sql`
      SELECT 'task ' || t.id AS what FROM "Task" t JOIN "Job" j ON j.id = t."jobId"
      LEFT JOIN LATERAL (SELECT count(DISTINCT e."distinctKey") AS votes FROM "JobExecution" e
                         WHERE e."taskId" = t.id AND e.purpose = 'copy' AND e.verdict IN ('valid', 'late_valid')
                           AND (e."resultHash" = t."resultHash" OR j.spec->'compare'->>'kind' = 'tolerance')) v ON true
      LEFT JOIN "JobExecution" c ON c.id = t."canonicalId"
      WHERE t.status = 'final' AND (v.votes < j.consensus OR c."taskId" IS DISTINCT FROM t.id OR c."resultHash" IS DISTINCT FROM t."resultHash" OR c.verdict NOT IN ('valid', 'late_valid'))`,
  },
  {
    id: 'earned',
    title: 'What a node is said to have earned by jobs is what its executions were paid, and what the record of credit says',
    violations: Prisma.sql`
      SELECT 'node ' || n.id AS what FROM "HostNode" n
      LEFT JOIN (SELECT "nodeId", sum("paidMicro") AS paid FROM "JobExecution" WHERE "paidMicro" > 0 GROUP BY 1) e ON e."nodeId" = n.id
      LEFT JOIN (SELECT "nodeId", sum(credits) AS credits FROM "LedgerEntry" WHERE "eventType" = 'execution_paid' GROUP BY 1) l ON l."nodeId" = n.id
      WHERE n."creditsEarned" <> coalesce(e.paid, 0) OR coalesce(l.credits, 0) * 1000 <> coalesce(e.paid, 0)`,
  },
  {
    id: 'claims',
    title: 'What a node counts as used is what its unreleased rentals (stopped ones: their disks) and live executions hold, and nothing else holds a device or a port',
    violations: Prisma.sql`
      SELECT 'node ' || n.id AS what FROM "HostNode" n
      LEFT JOIN (SELECT node, sum(cpu) AS cpu, sum(ram) AS ram, sum(disk) AS disk FROM (
          SELECT "nodeId" AS node, CASE WHEN "parkedAt" IS NULL THEN "cpuCores" ELSE 0 END AS cpu, CASE WHEN "parkedAt" IS NULL THEN "ramMb" ELSE 0 END AS ram, "diskGb" AS disk
          FROM "Rental" WHERE "releasedAt" IS NULL
          UNION ALL
          SELECT e."nodeId", j."requiredCpu", j."memoryMb", j."diskGb" FROM "JobExecution" e JOIN "Job" j ON j.id = e."jobId" WHERE e.status IN ${LIVE}) held
        GROUP BY 1) h ON h.node = n.id
      WHERE n."cpuUsed" <> coalesce(h.cpu, 0) OR n."ramMbUsed" <> coalesce(h.ram, 0) OR n."diskGbUsed" <> coalesce(h.disk, 0)
      UNION ALL
      SELECT 'rental ' || r.id FROM "Rental" r
      LEFT JOIN (SELECT "rentalId", count(*) AS held FROM "Gpu" WHERE "rentalId" IS NOT NULL GROUP BY 1) g ON g."rentalId" = r.id
      WHERE coalesce(g.held, 0) <> CASE WHEN r."releasedAt" IS NULL AND r."parkedAt" IS NULL THEN r."numGpus" ELSE 0 END
        OR (r."releasedAt" IS NOT NULL AND EXISTS (SELECT 1 FROM "TunnelPort" p WHERE p."rentalId" = r.id))
      UNION ALL
      SELECT 'execution ' || e.id FROM "JobExecution" e JOIN "Job" j ON j.id = e."jobId"
      LEFT JOIN (SELECT "executionId", count(*) AS held FROM "Gpu" WHERE "executionId" IS NOT NULL GROUP BY 1) g ON g."executionId" = e.id
      WHERE coalesce(g.held, 0) <> CASE WHEN e.status IN ${LIVE} THEN j."numGpus" ELSE 0 END`,
  },
];
