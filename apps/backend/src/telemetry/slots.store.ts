import type { Db, Tx } from '../platform/db.js';
import { withTx } from '../platform/tx.js';

/** Instances that a node can have places for, those included that ended within the hour. */
const MOST_SLOTS = 8_192;

export interface NodeSeries {
  models: Map<string, string>;
  slots: Map<string, string>;
}

/** Of what a node may speak: its devices and its rentals that are not released. Rentals without a place get one. */
export async function nodeSeries(db: Db, nodeId: string, now: Date): Promise<NodeSeries> {
  const [gpus, rentals] = await Promise.all([
    db.client.gpu.findMany({ where: { nodeId }, select: { uuid: true, name: true } }),
    db.client.rental.findMany({ where: { nodeId, releasedAt: null }, select: { id: true, telemetrySlot: true } }),
  ]);
  const slots = new Map(rentals.flatMap(({ id, telemetrySlot }) => (telemetrySlot === null ? [] : [[id, String(telemetrySlot)] as const])));
  const placeless = rentals.filter(({ telemetrySlot }) => telemetrySlot === null).map(({ id }) => id);
  if (placeless.length > 0) for (const [id, slot] of await withTx(db, (tx) => takeSlots(tx, nodeId, placeless, now))) slots.set(id, slot);
  return { models: new Map(gpus.map(({ uuid, name }) => [uuid, name])), slots };
}

/**
 * The lowest places that nobody has, and nobody had since the hour began: a mean over an hour is of one instance. Written once
 * in the life of a rental. The node's row orders two replicas that hear the same node.
 */
async function takeSlots(tx: Tx, nodeId: string, rentalIds: readonly string[], now: Date): Promise<[string, string][]> {
  await tx.$executeRaw`SELECT 1 FROM "HostNode" WHERE id = ${nodeId}::uuid FOR NO KEY UPDATE`;
  const rows = await tx.$queryRaw<{ id: string; slot: number }[]>`
    WITH free AS (
      SELECT slot, row_number() OVER (ORDER BY slot) AS place FROM generate_series(0, ${MOST_SLOTS - 1}) slot
      WHERE NOT EXISTS (SELECT 1 FROM "Rental" r WHERE r."nodeId" = ${nodeId}::uuid AND r."telemetrySlot" = slot
                        AND (r."releasedAt" IS NULL OR r."releasedAt" >= date_trunc('hour', ${now}::timestamptz))) LIMIT ${rentalIds.length}),
    wanting AS (SELECT id, row_number() OVER (ORDER BY id) AS place FROM "Rental" WHERE id = ANY(${rentalIds}::uuid[]) AND "telemetrySlot" IS NULL)
    UPDATE "Rental" r SET "telemetrySlot" = free.slot FROM free JOIN wanting USING (place) WHERE r.id = wanting.id
    RETURNING r.id, r."telemetrySlot" AS slot`;
  return rows.map(({ id, slot }) => [id, String(slot)]);
}

export interface RentalSeries {
  nodeId: string;
  slot: string | null;
  gpuUuids: string[];
  fromS: number;
  /** Null while it is there. */
  toS: number | null;
}

/** Where the samples of a rental are found: its node, its place and devices there, and from when to when they were its own. */
export async function rentalSeries(db: Db, renterId: string, rentalId: string): Promise<RentalSeries | undefined> {
  const rental = await db.client.rental.findFirst({
    where: { id: rentalId, renterId },
    select: { nodeId: true, telemetrySlot: true, spec: true, createdAt: true, endTime: true, releasedAt: true },
  });
  if (!rental) return undefined;
  const ended = rental.endTime ?? rental.releasedAt;
  const spec = rental.spec as { gpu_uuids?: unknown } | null;
  return {
    nodeId: rental.nodeId,
    slot: rental.telemetrySlot === null ? null : String(rental.telemetrySlot),
    gpuUuids: Array.isArray(spec?.gpu_uuids) ? spec.gpu_uuids.filter((uuid) => typeof uuid === 'string') : [],
    fromS: Math.floor(rental.createdAt.getTime() / 1_000),
    toS: ended === null ? null : Math.ceil(ended.getTime() / 1_000),
  };
}

export async function ownsNode(db: Db, ownerId: string, nodeId: string): Promise<boolean> {
  return (await db.client.hostNode.count({ where: { id: nodeId, ownerId } })) > 0;
}
