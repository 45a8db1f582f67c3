import type { PrismaClient } from '@muster/prisma';
import type { NodeFacts, RentalFacts } from './words.rules.js';

export async function rentalFacts(db: PrismaClient, id: string): Promise<RentalFacts | undefined> {
  const rental = await db.rental.findUnique({ where: { id }, include: { node: { select: { name: true, ownerId: true } }, gpus: { select: { name: true }, take: 1 } } });
  if (!rental) return undefined;
  const model = rental.gpus[0]?.name ?? 'GPU';
  const offer = rental.numGpus > 0 ? `${rental.numGpus}× ${model}` : `${rental.cpuCores} vCPU`;
  return { id, renterId: rental.renterId, hostId: rental.node.ownerId, nodeName: rental.node.name, offer, endReason: rental.endReason, faultMessage: rental.faultMessage };
}

export async function nodeFacts(db: PrismaClient, id: string): Promise<NodeFacts | undefined> {
  return (await db.hostNode.findUnique({ where: { id }, select: { id: true, ownerId: true, name: true } })) ?? undefined;
}

/** Everybody else who has something on the node, once each. */
export async function rentersOn(db: PrismaClient, node: NodeFacts): Promise<{ userId: string; rentalId: string }[]> {
  const rentals = await db.rental.findMany({
    where: { nodeId: node.id, status: { in: ['pending', 'starting', 'running', 'stopping', 'stopped'] }, renterId: { not: node.ownerId } },
    select: { id: true, renterId: true }, distinct: ['renterId'], orderBy: { id: 'desc' },
  });
  return rentals.map(({ id, renterId }) => ({ userId: renterId, rentalId: id }));
}

export async function jobFacts(db: PrismaClient, id: string): Promise<{ id: string; submitterId: string; name: string; errorMessage: string | null } | undefined> {
  const job = await db.job.findUnique({ where: { id }, select: { id: true, submittedBy: true, name: true, errorMessage: true } });
  return job ? { id: job.id, submitterId: job.submittedBy, name: job.name, errorMessage: job.errorMessage } : undefined;
}
