import type { Tx } from '../platform/db.js';
import { statusSql } from './status.store.js';

/**
 * Raises a node's generation in the transaction that changes what the node should run, and rewrites its derived status,
 * which follows the same changes. Call it last in the transaction; `NodePush.changed` tells the agent after commit.
 * Throws when there is no such node.
 */
export async function bumpGeneration(tx: Tx, nodeId: string): Promise<bigint> {
  const rows = await tx.$queryRaw<{ generation: bigint }[]>`
    UPDATE "HostNode" n SET generation = n.generation + 1, status = ${statusSql}
    WHERE n.id = ${nodeId}::uuid RETURNING n.generation`;
  const row = rows[0];
  if (!row) throw new Error(`no node ${nodeId}`);
  return row.generation;
}
