import { lockMoneyOf, lockUsers } from '../ledger/for-jobs.js';
import type { Tx } from '../platform/db.js';

/**
 * Locks what an end of these jobs touches: their submitter, the jobs, every node on which he rents or they run, his rentals. Jobs
 * come after users and before nodes, as in the tally, which locks no user; so none of us waits for another in a ring.
 */
export async function lockJobsAndMoney(tx: Tx, submitterId: string, jobIds: readonly string[]): Promise<void> {
  await lockUsers(tx, [submitterId]);
  await tx.$executeRaw`SELECT 1 FROM "Job" WHERE id = ANY(${[...jobIds]}::uuid[]) AND "submittedBy" = ${submitterId}::uuid ORDER BY id FOR NO KEY UPDATE`;
  await tx.$executeRaw`
    SELECT 1 FROM "HostNode" WHERE id IN (
      SELECT "nodeId" FROM "Rental" WHERE "renterId" = ${submitterId}::uuid AND status IN ('pending', 'starting', 'running', 'stopping', 'stopped')
      UNION ALL
      SELECT e."nodeId" FROM "JobExecution" e JOIN "Job" j ON j.id = e."jobId"
      WHERE e."jobId" = ANY(${[...jobIds]}::uuid[]) AND e.status IN ('leased', 'running') AND j.status NOT IN ('completed', 'failed', 'cancelled') AND j."submittedBy" = ${submitterId}::uuid)
    ORDER BY id FOR NO KEY UPDATE`;
  await lockMoneyOf(tx, submitterId);
}
