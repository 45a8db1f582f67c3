import type { PrismaClient } from '@muster/prisma';
import type { Tx } from '../platform/db.js';

export interface PortClaim {
  tunnelServerId: string;
  rentalId: string;
  containerPorts: readonly number[];
  now: Date;
}

/**
 * Claims one rested public port per container port on the port rows themselves, those that rested longest first. Rows
 * that another claim holds are skipped, not waited for. Undefined when fewer are free: nothing has been written then.
 */
export async function takePorts(tx: Tx, claim: PortClaim): Promise<Map<number, number> | undefined> {
  const wanted = [...new Set(claim.containerPorts)];
  if (wanted.length === 0) return new Map();
  const free = await tx.$queryRaw<{ port: number }[]>`
    SELECT port FROM "TunnelPort"
    WHERE "tunnelServerId" = ${claim.tunnelServerId}::uuid AND "rentalId" IS NULL AND "restUntil" <= ${claim.now}
    ORDER BY "restUntil", port LIMIT ${wanted.length} FOR UPDATE SKIP LOCKED`;
  if (free.length < wanted.length) return undefined;
  const ports = free.map((row) => row.port);
  await tx.$executeRaw`
    UPDATE "TunnelPort" t SET "rentalId" = ${claim.rentalId}::uuid, "containerPort" = v.container
    FROM unnest(${ports}::int[], ${wanted}::int[]) AS v(port, container)
    WHERE t."tunnelServerId" = ${claim.tunnelServerId}::uuid AND t.port = v.port`;
  return new Map(wanted.map((container, i) => [container, ports[i] ?? 0]));
}

/** Frees the ports of a rental; they rest until then. Safe to repeat. */
export async function freePorts(tx: Tx, rentalId: string, restUntil: Date): Promise<void> {
  await tx.tunnelPort.updateMany({ where: { rentalId }, data: { rentalId: null, containerPort: null, restUntil } });
}

export interface HeldPort {
  nodeId: string;
  port: number;
}

/** Public ports held by rentals of these nodes. */
export async function portsOfNodes(tx: Tx | PrismaClient, nodeIds: readonly string[]): Promise<HeldPort[]> {
  return tx.$queryRaw<HeldPort[]>`
    SELECT r."nodeId", t.port FROM "TunnelPort" t JOIN "Rental" r ON r.id = t."rentalId"
    WHERE r."nodeId" = ANY(${nodeIds}::uuid[]) ORDER BY t.port`;
}
