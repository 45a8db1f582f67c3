import type { Tx } from '../platform/db.js';
import type { NodeCapacity } from '../market/offer.rules.js';
import type { Share } from '../ledger/pricing.rules.js';

/**
 * The claim on a machine. Invariants, kept by the schema:
 * - a GPU has one holder, a rental or an execution: `rentalId` or `executionId` on the device's own row;
 * - CPU, RAM and disk in use are counters of the node that can pass neither zero nor what the machine has;
 * - claims of one node are serialised by its row, so a claim of eight never half-fails against another one.
 */
export interface LockedNode {
  id: string;
  ownerId: string;
  name: string;
  listed: boolean;
  tunnelServerId: string | null;
  pricingConfig: unknown;
  capacity: NodeCapacity;
}

interface NodeRow {
  id: string;
  owner_id: string;
  name: string;
  listed: boolean;
  tunnel_server_id: string | null;
  pricing: unknown;
  min_chunk: number;
  cpu_total: number;
  cpu_used: number;
  ram_total: number;
  ram_used: number;
  disk_total: number;
  disk_used: number;
}

/** Locks the node until the transaction ends and says what is free on it. Undefined when there is none. */
export async function lockNode(tx: Tx, nodeId: string): Promise<LockedNode | undefined> {
  const [row] = await tx.$queryRaw<NodeRow[]>`
    SELECT id, "ownerId" AS owner_id, name, listing = 'listed' AND lifecycle = 'verified' AND presence = 'online' AND transport = 'socket' AS listed,
           "tunnelServerId" AS tunnel_server_id, "pricingConfig" AS pricing, "minChunk" AS min_chunk, "cpuTotal" AS cpu_total, "cpuUsed" AS cpu_used,
           "ramMbTotal" AS ram_total, "ramMbUsed" AS ram_used, "diskGbTotal" AS disk_total, "diskGbUsed" AS disk_used
    FROM "HostNode" WHERE id = ${nodeId}::uuid FOR NO KEY UPDATE`;
  if (!row) return undefined;
  const gpus = await tx.gpu.findMany({ where: { nodeId }, select: { name: true, rentalId: true, executionId: true, state: true }, orderBy: { index: 'asc' } });
  return {
    id: row.id,
    ownerId: row.owner_id,
    name: row.name,
    listed: row.listed,
    tunnelServerId: row.tunnel_server_id,
    pricingConfig: row.pricing,
    capacity: {
      nodeId: row.id,
      minChunk: row.min_chunk,
      cpuTotal: row.cpu_total,
      cpuUsed: row.cpu_used,
      ramMbTotal: row.ram_total,
      ramMbUsed: row.ram_used,
      diskGbTotal: row.disk_total,
      diskGbUsed: row.disk_used,
      gpus: gpus.map((gpu) => ({ name: gpu.name, free: gpu.rentalId === null && gpu.executionId === null && gpu.state === 'ok' })),
    },
  };
}

export interface ClaimedGpu {
  uuid: string;
  index: number;
}

/** Claims `count` free devices of one model. Undefined, with nothing to keep, when there are fewer: roll back then. */
export async function claimGpus(tx: Tx, claim: { nodeId: string; rentalId: string; gpuName: string; count: number }): Promise<ClaimedGpu[] | undefined> {
  const claimed = await tx.$queryRaw<ClaimedGpu[]>`
    WITH free AS (
      SELECT id FROM "Gpu"
      WHERE "nodeId" = ${claim.nodeId}::uuid AND "rentalId" IS NULL AND "executionId" IS NULL AND state = 'ok' AND name = ${claim.gpuName}
      ORDER BY index LIMIT ${claim.count} FOR UPDATE SKIP LOCKED)
    UPDATE "Gpu" g SET "rentalId" = ${claim.rentalId}::uuid FROM free WHERE g.id = free.id RETURNING g.uuid, g.index`;
  return claimed.length === claim.count ? claimed.sort((a, b) => a.index - b.index) : undefined;
}

/** Adds to what the node has in use. The counters' checks refuse more than there is. */
export async function takeCapacity(tx: Tx, nodeId: string, share: Share): Promise<void> {
  await tx.hostNode.update({
    where: { id: nodeId },
    data: { cpuUsed: { increment: share.cpuCores }, ramMbUsed: { increment: share.ramMb }, diskGbUsed: { increment: share.diskGb } },
  });
}

export const NOTHING: Share = { numGpus: 0, cpuCores: 0, ramMb: 0, diskGb: 0 };

/** Gives back this share of what a rental held on its node, and its devices. Call it once for each, in the transaction that sets `parkedAt` or `releasedAt`. */
export async function releaseCapacity(tx: Tx, rentalId: string, nodeId: string, share: Share): Promise<void> {
  await tx.hostNode.update({
    where: { id: nodeId },
    data: { cpuUsed: { decrement: share.cpuCores }, ramMbUsed: { decrement: share.ramMb }, diskGbUsed: { decrement: share.diskGb } },
  });
  await tx.gpu.updateMany({ where: { rentalId }, data: { rentalId: null } });
}

