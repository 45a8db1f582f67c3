import type { Tx } from '../platform/db.js';
import { lockUsers } from './accounts.store.js';

/**
 * Locks everything that a change of this person's burn rate touches: the person, the nodes of his live rentals, the
 * rentals. Always in this order (users, nodes, rentals, then accounts; each by id), so that no two of us can deadlock:
 * a release locks node before rental, a batch of settlements locks users before rentals, transfers lock accounts last.
 */
export async function lockMoneyOf(tx: Tx, userId: string): Promise<void> {
  await lockUsers(tx, [userId]);
  await tx.$executeRaw`
    SELECT 1 FROM "HostNode" WHERE id IN (
      SELECT "nodeId" FROM "Rental" WHERE "renterId" = ${userId}::uuid AND status IN ('pending', 'starting', 'running', 'stopping', 'stopped'))
    ORDER BY id FOR NO KEY UPDATE`;
  await tx.$executeRaw`
    SELECT 1 FROM "Rental" WHERE "renterId" = ${userId}::uuid AND status IN ('pending', 'starting', 'running', 'stopping', 'stopped')
    ORDER BY id FOR NO KEY UPDATE`;
}
