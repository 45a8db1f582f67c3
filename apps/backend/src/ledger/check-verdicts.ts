import { Prisma } from '@muster/prisma';
import type { Invariant } from './invariant.js';

const LIVE = Prisma.sql`('leased', 'running')`;
const UNDECIDED = Prisma.sql`('open', 'quorum_pending', 'disputed')`;

/** Another run of the same copy came after this one. */
const SUCCEEDED = Prisma.sql`EXISTS (SELECT 1 FROM "JobExecution" o WHERE o."taskId" = e."taskId" AND o.purpose = e.purpose AND o.copy = e.copy AND o.attempt > e.attempt)`;

/** The market's own last sign of life. Asked of a market that is away, nothing is late. */
const ALIVE_AT = Prisma.sql`(SELECT "aliveAt" FROM "ControlPlane")`;
/** For a minute after an outage of the market's own no lease ends; then there are five seconds to take it back. */
const NO_GRACE = Prisma.sql`NOT EXISTS (SELECT 1 FROM "ControlPlaneOutage" WHERE "toAt" > ${ALIVE_AT} - interval '70 seconds')`;

/** Results are equal when their hashes are; where numbers may differ a little, only the program can tell. */
const EXACT = Prisma.sql`coalesce(j.spec->'compare'->>'kind', 'exact') = 'exact'`;

/** What is always true of votes and verdicts. `docs/verification.md` numbers them as here. */
export const VERDICT_INVARIANTS: readonly Invariant[] = [
  {
    id: 'old_attempts',
    title: 'I4: only the newest attempt at a copy counts; an earlier one is lost or errored, without verdict, pay or points',
    violations: Prisma.sql`
      SELECT 'execution ' || e.id AS what FROM "JobExecution" e
      WHERE (e.status NOT IN ('expired', 'errored') OR e.verdict <> 'none' OR e."paidMicro" > 0 OR e."reputationDelta" <> 0) AND ${SUCCEEDED}
      UNION ALL
      SELECT 'task ' || t.id FROM "Task" t JOIN "JobExecution" e ON e.id = t."canonicalId" WHERE ${SUCCEEDED}`,
  },
  {
    id: 'final_stays',
    title: 'I5: a task is decided once, and what was told of it then is what it says now',
    violations: Prisma.sql`
      SELECT 'task ' || told.task AS what FROM (
        SELECT (d->>'task_id')::uuid AS task, count(*) AS times, min(d->>'status') AS status, min(d->>'result_hash') AS hash
        FROM "OutboxEvent" o CROSS JOIN jsonb_array_elements(o.payload->'tasks') d WHERE o.name = 'SubTaskCompletedEvent' GROUP BY 1) told
      JOIN "Task" t ON t.id = told.task
      WHERE told.times > 1 OR t.status::text <> told.status OR t."resultHash" IS DISTINCT FROM told.hash`,
  },
  {
    id: 'votes_as_a_set',
    title: 'I7: verdicts follow from the set of votes: equal to the result or not, whatever came first or twice; no other result had more votes when it was decided',
    violations: Prisma.sql`
      SELECT 'execution ' || e.id AS what FROM "JobExecution" e JOIN "Task" t ON t.id = e."taskId" JOIN "Job" j ON j.id = e."jobId"
      WHERE t.status = 'final' AND e.purpose = 'copy' AND e.status = 'reported' AND ${EXACT}
        AND (e.verdict IN ('valid', 'late_valid')) IS DISTINCT FROM (e."resultHash" = t."resultHash")
      UNION ALL
      SELECT 'execution ' || e.id FROM "JobExecution" e JOIN "Task" t ON t.id = e."taskId" WHERE e.verdict <> 'none' AND (t.status <> 'final' OR e.purpose <> 'copy')
      UNION ALL
      SELECT 'task ' || t.id FROM "Task" t JOIN "Job" j ON j.id = t."jobId" CROSS JOIN LATERAL (
        SELECT max(votes) FILTER (WHERE hash = t."resultHash") AS won, max(votes) FILTER (WHERE hash <> t."resultHash") AS other
        FROM (SELECT e."resultHash" AS hash, count(DISTINCT e."distinctKey") AS votes FROM "JobExecution" e
              WHERE e."taskId" = t.id AND e.purpose = 'copy' AND (e.verdict = 'valid' OR (e.verdict = 'invalid' AND e."completedAt" < t."decidedAt")) GROUP BY 1) v) w
      WHERE t.status = 'final' AND ${EXACT} AND coalesce(w.won, 0) < coalesce(w.other, 0)`,
  },
  {
    id: 'leases_come_back',
    title: 'I8: a lease that ended comes back within five seconds, as the next attempt',
    violations: Prisma.sql`
      SELECT 'execution ' || e.id AS what FROM "JobExecution" e WHERE e.status IN ${LIVE} AND e."leaseUntil" < ${ALIVE_AT} - interval '5 seconds' AND ${NO_GRACE}
      UNION ALL
      SELECT 'execution ' || e.id FROM "JobExecution" e JOIN "Task" t ON t.id = e."taskId"
      WHERE e.status = 'expired' AND e.purpose = 'copy' AND t.status IN ${UNDECIDED} AND NOT ${SUCCEEDED}
        AND NOT EXISTS (SELECT 1 FROM "JobExecution" r WHERE r."taskId" = e."taskId" AND r.purpose = 'recheck')`,
  },
  {
    id: 'nothing_starves',
    title: 'I8: a job of which nothing has run for ten minutes says what it waits for, and a task that is not decided has a run under way',
    violations: Prisma.sql`
      SELECT 'job ' || j.id AS what FROM "Job" j
      WHERE j.status NOT IN ('completed', 'failed', 'cancelled') AND j."waitingCode" IS NULL AND ${NO_GRACE}
        AND EXISTS (SELECT 1 FROM "JobExecution" e WHERE e."jobId" = j.id AND e.status = 'ready' AND e."createdAt" < ${ALIVE_AT} - interval '10 minutes')
        AND NOT EXISTS (SELECT 1 FROM "JobExecution" e WHERE e."jobId" = j.id AND (e.status IN ${LIVE} OR e."completedAt" > ${ALIVE_AT} - interval '10 minutes'))
      UNION ALL
      SELECT 'task ' || t.id FROM "Task" t JOIN "Job" j ON j.id = t."jobId" WHERE j.status NOT IN ('completed', 'failed', 'cancelled') AND t.status IN ${UNDECIDED}
        AND NOT EXISTS (SELECT 1 FROM "JobExecution" e WHERE e."taskId" = t.id AND e.status IN ('ready', 'leased', 'running'))`,
  },
  {
    id: 'name_from_agreement',
    title: 'I11: a node’s counters and its points for executions come from runs that others agreed or disagreed with, one each, and never from work for its own owner',
    violations: Prisma.sql`
      SELECT 'node ' || n.id AS what FROM "HostNode" n
      LEFT JOIN (SELECT e."nodeId", count(*) FILTER (WHERE e.verdict IN ('valid', 'late_valid')) AS good, count(*) FILTER (WHERE e.verdict = 'invalid') AS bad
                 FROM "JobExecution" e JOIN "Job" j ON j.id = e."jobId" WHERE e.verdict <> 'none' AND e."ownerId" <> j."submittedBy" GROUP BY 1) v ON v."nodeId" = n.id
      WHERE n."successfulJobsRun" <> coalesce(v.good, 0) OR n."failedJobs" <> coalesce(v.bad, 0) OR n."totalJobsRun" <> coalesce(v.good, 0) + coalesce(v.bad, 0)
      UNION ALL
      SELECT 'execution ' || coalesce(e.id::text, r.execution::text) FROM (
        SELECT e.id, e."nodeId", e."reputationDelta" AS delta, CASE WHEN e."ownerId" = j."submittedBy" THEN 0 WHEN e.verdict = 'invalid' THEN -10 WHEN e.verdict = 'none' THEN 0 ELSE 5 END AS due
        FROM "JobExecution" e JOIN "Job" j ON j.id = e."jobId" WHERE e.verdict <> 'none' OR e."reputationDelta" <> 0) e
      FULL JOIN (SELECT "nodeId", delta, CASE WHEN "dedupeKey" LIKE 'execution:%' THEN substr("dedupeKey", 11)::uuid END AS execution
                 FROM "ReputationEvent" WHERE "dedupeKey" LIKE 'execution:%') r ON r.execution = e.id AND r."nodeId" = e."nodeId"
      WHERE e.id IS NULL OR e.delta <> e.due OR coalesce(r.delta, 0) <> e.due`,
  },
  {
    id: 'rechecks_of_all',
    title: 'I12: a second run is asked of every voter of a task alike, on his own node, whoever he is; it is no vote and is not paid',
    violations: Prisma.sql`
      SELECT 'execution ' || r.id AS what FROM "JobExecution" r
      WHERE r.purpose = 'recheck' AND (r.verdict <> 'none' OR r."paidMicro" > 0 OR r."reputationDelta" <> 0 OR NOT EXISTS (
        SELECT 1 FROM "JobExecution" v WHERE v."taskId" = r."taskId" AND v.purpose = 'copy' AND v.copy = r.copy AND v.status = 'reported' AND v."nodeId" = r."nodeId"))
      UNION ALL
      SELECT 'execution ' || v.id FROM "JobExecution" v
      JOIN (SELECT "taskId", min("createdAt") AS asked FROM "JobExecution" WHERE purpose = 'recheck' GROUP BY 1) r ON r."taskId" = v."taskId"
      WHERE v.purpose = 'copy' AND v.status = 'reported' AND v."completedAt" <= r.asked
        AND NOT EXISTS (SELECT 1 FROM "JobExecution" own WHERE own."taskId" = v."taskId" AND own.purpose = 'recheck' AND own.copy = v.copy)`,
  },
];
