import { Prisma } from '@muster/prisma';
import type { PrismaClient } from '@muster/prisma';
import type { Tx } from '../platform/db.js';

type Reader = Tx | PrismaClient;

export type NodeRow = Prisma.HostNodeGetPayload<{ include: { gpus: true } }>;
const include = { gpus: { orderBy: { index: 'asc' } } } satisfies Prisma.HostNodeInclude;

/** A node of this owner; null for anybody else's. */
export const nodeOfOwner = (db: Reader, nodeId: string, ownerId: string): Promise<NodeRow | null> => db.hostNode.findFirst({ where: { id: nodeId, ownerId }, include });

/** Same, with the row locked until the transaction ends: transitions are decided under the lock. */
export async function lockNodeOfOwner(tx: Tx, nodeId: string, ownerId: string): Promise<NodeRow | null> {
  await tx.$executeRaw`SELECT 1 FROM "HostNode" WHERE id = ${nodeId}::uuid AND "ownerId" = ${ownerId}::uuid FOR NO KEY UPDATE`;
  return nodeOfOwner(tx, nodeId, ownerId);
}

/** Newest first; ids sort by time. One more than asked says that there is a next page. */
export const nodesPage = (db: Reader, ownerId: string, afterId: string | undefined, limit: number): Promise<NodeRow[]> =>
  db.hostNode.findMany({ where: { ownerId, ...(afterId === undefined ? {} : { id: { lt: afterId } }) }, orderBy: { id: 'desc' }, take: limit + 1, include });

/** Every node that is there or for rent, whoever owns it, in the same order. */
export const nodesOfMarket = (db: Reader, afterId: string | undefined, limit: number): Promise<NodeRow[]> =>
  db.hostNode.findMany({
    where: { lifecycle: { not: 'retired' }, OR: [{ presence: 'online' }, { listing: 'listed' }], ...(afterId === undefined ? {} : { id: { lt: afterId } }) },
    orderBy: { id: 'desc' },
    take: limit + 1,
    include,
  });

export interface NodeMoney {
  activeRentals: number;
  earnedMicro: bigint;
}

/** Rentals that hold something on the node now, and what all its rentals have been charged. */
export async function nodeMoney(db: Reader, nodeId: string): Promise<NodeMoney> {
  const rows = await db.$queryRaw<{ active: bigint; earned: bigint }[]>`
    SELECT (SELECT count(*) FROM "Rental" WHERE "nodeId" = ${nodeId}::uuid AND status IN ('pending', 'starting', 'running', 'stopping', 'stopped')) AS active,
      (SELECT coalesce(sum(c."amountMicro"), 0)::bigint FROM "RentalCharge" c JOIN "Rental" r ON r.id = c."rentalId" WHERE r."nodeId" = ${nodeId}::uuid) AS earned`;
  return { activeRentals: Number(rows[0]?.active ?? 0), earnedMicro: rows[0]?.earned ?? 0n };
}
