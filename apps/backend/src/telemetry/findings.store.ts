import { Inventory } from '@muster/shared-types';
import { failedChecks, lifecycleAfterPreflight, refreshStatus } from '../fleet/for-telemetry.js';
import type { Db, Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { emitEvent } from '../platform/outbox.js';
import type { Fault } from './health.rules.js';

export interface OpenFinding {
  id: string;
  nodeId: string;
  code: string;
  gpuUuid: string | null;
}

/** A finding whose event lies before the last start of the machine is over: `restarted`. */
export async function openFindings(db: Db): Promise<(OpenFinding & { restarted: boolean })[]> {
  return await db.client.$queryRaw`
    SELECT f.id, f."nodeId", f.code, f."gpuUuid", coalesce(f."bootId" <> n.specs->>'boot_id', false) AS restarted
    FROM "NodeFinding" f JOIN "HostNode" n ON n.id = f."nodeId" WHERE f."clearedAt" IS NULL`;
}

export interface Opened {
  /** Rentals that hold the device, or, when it is about the whole machine, that are on it. */
  rentalIds: string[];
}

/** Writes down a fault, takes the machine off the market when it must go, and tells. Undefined when it is known already. */
export async function openFinding(tx: Tx, nodeId: string, fault: Fault & { severity: string }, at: Date): Promise<Opened | undefined> {
  await tx.$executeRaw`SELECT 1 FROM "HostNode" WHERE id = ${nodeId}::uuid FOR NO KEY UPDATE`;
  const { code, gpuUuid, severity, message, bootId } = fault;
  const since = new Date(at.getTime() - fault.agoS * 1_000);
  const made = await tx.nodeFinding.createMany({ data: { id: newId(), nodeId, code, gpuUuid, severity, message, bootId, since }, skipDuplicates: true });
  if (made.count === 0) return undefined;
  if (severity !== 'warn') await delist(tx, nodeId, code, gpuUuid);
  const rentalIds = await rentalsOn(tx, nodeId, gpuUuid);
  const { ownerId } = await tx.hostNode.findUniqueOrThrow({ where: { id: nodeId }, select: { ownerId: true } });
  await emitEvent(tx, { name: 'NodeFinding', aggregateId: nodeId, payload: { owner_id: ownerId, state: 'open', code, gpu_uuid: gpuUuid, severity, message, rental_ids: rentalIds } });
  return { rentalIds };
}

async function delist(tx: Tx, nodeId: string, code: string, gpuUuid: string | null): Promise<void> {
  const moved = await tx.hostNode.updateMany({ where: { id: nodeId, lifecycle: { in: ['registered', 'pending_verification', 'verified'] } }, data: { lifecycle: 'quarantined' } });
  // A machine that is quarantined already is so by an earlier finding, or by an operator: then it is not this one's to give back.
  const byFinding = moved.count > 0 || (await tx.nodeFinding.count({ where: { nodeId, delisted: true, clearedAt: null } })) > 0;
  if (byFinding) await tx.nodeFinding.updateMany({ where: { nodeId, code, gpuUuid, clearedAt: null }, data: { delisted: true } });
  await refreshStatus(tx, [nodeId]);
}

async function rentalsOn(tx: Tx, nodeId: string, gpuUuid: string | null): Promise<string[]> {
  const live = { nodeId, status: { in: ['pending' as const, 'starting' as const, 'running' as const] } };
  const rows = await tx.rental.findMany({ where: gpuUuid === null ? live : { ...live, gpus: { some: { uuid: gpuUuid } } }, select: { id: true } });
  return rows.map(({ id }) => id);
}

/** The rental that has a device now. */
export async function holderOf(db: Db, nodeId: string, gpuUuid: string): Promise<string | undefined> {
  const gpu = await db.client.gpu.findFirst({ where: { nodeId, uuid: gpuUuid }, select: { rentalId: true } });
  return gpu?.rentalId ?? undefined;
}

/** It is over. The last one that kept the machine off the market gives it back, if its newest inventory passes. */
export async function closeFinding(tx: Tx, finding: OpenFinding, at: Date): Promise<boolean> {
  await tx.$executeRaw`SELECT 1 FROM "HostNode" WHERE id = ${finding.nodeId}::uuid FOR NO KEY UPDATE`;
  const row = await tx.nodeFinding.findFirst({ where: { id: finding.id, clearedAt: null }, include: { node: { select: { ownerId: true, specs: true } } } });
  if (!row) return false;
  await tx.nodeFinding.update({ where: { id: row.id }, data: { clearedAt: at > row.since ? at : row.since } });
  if (row.delisted && (await tx.nodeFinding.count({ where: { nodeId: row.nodeId, delisted: true, clearedAt: null } })) === 0) {
    const inventory = Inventory.safeParse(row.node.specs);
    const lifecycle = lifecycleAfterPreflight('pending_verification', inventory.success && failedChecks(inventory.data).length === 0);
    await tx.hostNode.updateMany({ where: { id: row.nodeId, lifecycle: 'quarantined' }, data: { lifecycle } });
    await refreshStatus(tx, [row.nodeId]);
  }
  await emitEvent(tx, {
    name: 'NodeFinding', aggregateId: row.nodeId,
    payload: { owner_id: row.node.ownerId, state: 'closed', code: row.code, gpu_uuid: row.gpuUuid, severity: row.severity, message: row.message, rental_ids: [] },
  });
  return true;
}
