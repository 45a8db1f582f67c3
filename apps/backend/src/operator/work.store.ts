import { formatUsd, type JobStatus, type OperatorEvent, type OperatorJob, type OperatorRental } from '@muster/shared-types';
import type { Prisma, PrismaClient } from '@muster/prisma';
import { z } from 'zod';
import { readCursor, type Page } from '../platform/cursor.js';
import { isUuid, pageOf } from './people.store.js';

interface Paging {
  cursor?: string | undefined;
  limit: number;
  q?: string | undefined;
}

const rentalInclude = { renter: { select: { email: true } }, node: { select: { name: true, ownerId: true } } } satisfies Prisma.RentalInclude;

export async function allRentalsPage(db: PrismaClient, { cursor, limit, q, state }: Paging & { state: 'live' | 'all' }): Promise<Page<OperatorRental>> {
  const after = readCursor(cursor);
  const named: Prisma.RentalWhereInput = q === undefined ? {} : isUuid(q) ? { OR: [{ id: q }, { nodeId: q }, { renterId: q }] } : { renter: { email: { contains: q.toLowerCase() } } };
  const behind: Prisma.RentalWhereInput = after ? { OR: [{ createdAt: { lt: after[0] } }, { createdAt: after[0], id: { lt: after[1] } }] } : {};
  const live: Prisma.RentalWhereInput = state === 'all' ? {} : { status: { in: ['pending', 'starting', 'running', 'stopping', 'stopped'] } };
  const rows = await db.rental.findMany({ where: { AND: [named, behind, live] }, include: rentalInclude, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }], take: limit + 1 });
  return pageOf(rows, limit, rentalRow, (row) => [row.createdAt.toISOString(), row.id]);
}

const rentalRow = (row: Prisma.RentalGetPayload<{ include: typeof rentalInclude }>): OperatorRental => ({
  id: row.id, status: row.status, renter_id: row.renterId, renter_email: row.renter.email, node_id: row.nodeId, node_name: row.node.name, host_id: row.node.ownerId, offer_id: row.offerId,
  template: row.templateSlug, dph_total: formatUsd(row.rateMicroHour), settled_usd: formatUsd(row.settledMicro), created_at: row.createdAt.toISOString(),
  start_time: row.startTime?.toISOString() ?? null, end_time: row.endTime?.toISOString() ?? null, end_reason: row.endReason, released: row.releasedAt !== null,
});

const jobInclude = { submitter: { select: { email: true } } } satisfies Prisma.JobInclude;

export async function allJobsPage(db: PrismaClient, { cursor, limit, q, status }: Paging & { status?: JobStatus | undefined }): Promise<Page<OperatorJob>> {
  const after = readCursor(cursor);
  const named: Prisma.JobWhereInput = q === undefined ? {} : isUuid(q) ? { OR: [{ id: q }, { submittedBy: q }] } : { OR: [{ name: { contains: q, mode: 'insensitive' } }, { submitter: { email: { contains: q.toLowerCase() } } }] };
  const behind: Prisma.JobWhereInput = after ? { OR: [{ submittedAt: { lt: after[0] } }, { submittedAt: after[0], id: { lt: after[1] } }] } : {};
  const where = { AND: [named, behind, status === undefined ? {} : { status }] };
  const rows = await db.job.findMany({ where, include: jobInclude, omit: { spec: true, result: true }, orderBy: [{ submittedAt: 'desc' }, { id: 'desc' }], take: limit + 1 });
  const view = (row: (typeof rows)[number]): OperatorJob => ({
    id: row.id, name: row.name, status: row.status, submitted_by: row.submittedBy, submitter_email: row.submitter.email, submitted_at: row.submittedAt.toISOString(),
    completed_at: row.completedAt?.toISOString() ?? null, tasks_total: row.tasksTotal, tasks_final: row.tasksFinal, tasks_failed: row.tasksFailed, error_message: row.errorMessage,
  });
  return pageOf(rows, limit, view, (row) => [row.submittedAt.toISOString(), row.id]);
}

/** The id of the last row of a page, twice: this list is ordered by it alone. */
const BY_NUMBER = { key: z.string().regex(/^\d{1,18}$/), id: z.string().regex(/^\d{1,18}$/) };
const Payload = z.record(z.string(), z.unknown()).catch({});

export async function eventsPage(db: PrismaClient, query: { cursor?: string | undefined; limit: number; name?: string | undefined; about?: string | undefined; actor?: string | undefined }): Promise<Page<OperatorEvent>> {
  const after = readCursor(query.cursor, BY_NUMBER);
  const where: Prisma.OutboxEventWhereInput = {
    ...(query.name !== undefined && { name: query.name }),
    ...(query.about !== undefined && { aggregateId: query.about }),
    ...(query.actor !== undefined && { actorId: query.actor }),
    ...(after && { id: { lt: BigInt(after[0]) } }),
  };
  const rows = await db.outboxEvent.findMany({ where, orderBy: { id: 'desc' }, take: query.limit + 1 });
  const actors = await db.user.findMany({ where: { id: { in: rows.flatMap(({ actorId }) => actorId ?? []) } }, select: { id: true, email: true } });
  const emails = new Map(actors.map(({ id, email }) => [id, email]));
  const view = (row: (typeof rows)[number]): OperatorEvent => ({
    id: row.id.toString(), at: row.createdAt.toISOString(), name: row.name, aggregate_id: row.aggregateId, actor_id: row.actorId, actor_email: row.actorId === null ? null : (emails.get(row.actorId) ?? null),
    delivered: row.publishedAt !== null, payload: Payload.parse(row.payload),
  });
  return pageOf(rows, query.limit, view, (row) => [row.id.toString(), row.id.toString()]);
}
