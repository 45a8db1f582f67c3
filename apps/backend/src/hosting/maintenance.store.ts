import type { NodeLifecycle, NodeListing } from '@muster/shared-types';
import type { NodeMaintenance, PrismaClient } from '@muster/prisma';
import type { Tx } from '../platform/db.js';

type Reader = Tx | PrismaClient;

export interface LockedNode {
  id: string;
  listing: NodeListing;
  lifecycle: NodeLifecycle;
}

/** The node, locked until the transaction ends; undefined for anybody else's. With `null` whoever owns it. */
export async function lockNode(tx: Tx, nodeId: string, ownerId: string | null): Promise<LockedNode | undefined> {
  const rows = await tx.$queryRaw<LockedNode[]>`
    SELECT id, listing::text AS listing, lifecycle::text AS lifecycle FROM "HostNode"
    WHERE id = ${nodeId}::uuid AND (${ownerId}::uuid IS NULL OR "ownerId" = ${ownerId}::uuid) FOR NO KEY UPDATE`;
  return rows[0];
}

export const openOf = (db: Reader, nodeId: string): Promise<NodeMaintenance | null> => db.nodeMaintenance.findFirst({ where: { nodeId, endedAt: null, cancelledAt: null } });

export const allOf = (db: Reader, nodeId: string): Promise<NodeMaintenance[]> => db.nodeMaintenance.findMany({ where: { nodeId }, orderBy: [{ fromAt: 'desc' }, { id: 'desc' }], take: 100 });

/** Nodes whose maintenance begins or ends by now. */
export async function dueNodes(db: PrismaClient, now: Date): Promise<string[]> {
  const rows = await db.nodeMaintenance.findMany({
    where: { endedAt: null, cancelledAt: null, OR: [{ startedAt: null, fromAt: { lte: now } }, { toAt: { lte: now } }] },
    select: { nodeId: true }, orderBy: { nodeId: 'asc' }, take: 500,
  });
  return rows.map(({ nodeId }) => nodeId);
}

export async function setListing(tx: Tx, nodeId: string, listing: NodeListing): Promise<void> {
  await tx.hostNode.update({ where: { id: nodeId }, data: { listing } });
}
