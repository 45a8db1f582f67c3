import type { Prisma, PrismaClient } from '@muster/prisma';
import type { RentalStatus } from '@muster/shared-types';

/** What the watch compares: few columns, of the things that somebody looks at. */

/** Of each kind in one look, newest first: an account with more is told of the rest when its page asks. */
const MOST = 1_000;

const rental = {
  id: true, renterId: true, nodeId: true, status: true, phase: true, phaseMs: true, startTime: true, endTime: true, endReason: true, faultCode: true, faultMessage: true, releasedAt: true,
} satisfies Prisma.RentalSelect;
export type RentalRow = Prisma.RentalGetPayload<{ select: typeof rental }>;

const node = {
  id: true, ownerId: true, name: true, status: true, lifecycle: true, presence: true, listing: true, cpuUsed: true, ramMbUsed: true, diskGbUsed: true,
  _count: { select: { gpus: { where: { rentalId: { not: null } } } } },
} satisfies Prisma.HostNodeSelect;
export type NodeRow = Prisma.HostNodeGetPayload<{ select: typeof node }>;

const job = {
  id: true, submittedBy: true, status: true, startedAt: true, completedAt: true, tasksTotal: true, tasksFinal: true, tasksFailed: true, faultCode: true, errorMessage: true,
  waitingCode: true, waitingMessage: true, paidMicro: true,
} satisfies Prisma.JobSelect;
export type JobRow = Prisma.JobGetPayload<{ select: typeof job }>;

/** Named ones; of accounts, what is live and what ended a short while ago. */
export interface Looked {
  ids: readonly string[];
  ofUsers: readonly string[];
  endedSince: Date;
}

export function rentalRows(db: PrismaClient, { ids, ofUsers, endedSince }: Looked): Promise<RentalRow[]> {
  const recent: Prisma.RentalWhereInput = { renterId: { in: [...ofUsers] }, OR: [{ releasedAt: null }, { releasedAt: { gt: endedSince } }] };
  return db.rental.findMany({ where: { OR: [{ id: { in: [...ids] } }, ...(ofUsers.length > 0 ? [recent] : [])] }, select: rental, orderBy: { createdAt: 'desc' }, take: MOST });
}

export function nodeRows(db: PrismaClient, { ids, ofUsers }: Looked): Promise<NodeRow[]> {
  const mine: Prisma.HostNodeWhereInput = { ownerId: { in: [...ofUsers] }, lifecycle: { not: 'retired' } };
  return db.hostNode.findMany({ where: { OR: [{ id: { in: [...ids] } }, ...(ofUsers.length > 0 ? [mine] : [])] }, select: node, orderBy: { registeredAt: 'desc' }, take: MOST });
}

export function jobRows(db: PrismaClient, { ids, ofUsers, endedSince }: Looked): Promise<JobRow[]> {
  const recent: Prisma.JobWhereInput = { submittedBy: { in: [...ofUsers] }, OR: [{ completedAt: null }, { completedAt: { gt: endedSince } }] };
  return db.job.findMany({ where: { OR: [{ id: { in: [...ids] } }, ...(ofUsers.length > 0 ? [recent] : [])] }, select: job, orderBy: { submittedAt: 'desc' }, take: MOST });
}

export interface ExecutionCounts {
  running: number;
  reported: number;
}

export async function executionCounts(db: PrismaClient, jobIds: readonly string[]): Promise<Map<string, ExecutionCounts>> {
  const rows = await db.jobExecution.groupBy({ by: ['jobId', 'status'], where: { jobId: { in: [...jobIds] }, status: { in: ['leased', 'running', 'reported'] } }, _count: { _all: true } });
  const counts = new Map<string, ExecutionCounts>();
  for (const row of rows) {
    const known = counts.get(row.jobId) ?? { running: 0, reported: 0 };
    const field = row.status === 'reported' ? 'reported' : 'running';
    counts.set(row.jobId, { ...known, [field]: known[field] + row._count._all });
  }
  return counts;
}

export interface BalanceRow {
  userId: string;
  prepaidMicro: bigint;
  earningsMicro: bigint;
  zeroAt: Date | null;
}

export async function balanceRows(db: PrismaClient, userIds: readonly string[]): Promise<BalanceRow[]> {
  const users = await db.user.findMany({
    where: { id: { in: [...userIds] } },
    select: { id: true, zeroAt: true, accounts: { where: { kind: { in: ['prepaid', 'earnings'] } }, select: { kind: true, balance: true } } },
  });
  return users.map(({ id, zeroAt, accounts }) => {
    const of = (kind: 'prepaid' | 'earnings'): bigint => accounts.find((account) => account.kind === kind)?.balance ?? 0n;
    return { userId: id, prepaidMicro: of('prepaid'), earningsMicro: of('earnings'), zeroAt };
  });
}

export interface MarketRow {
  listed: number;
  online: number;
  /** Changes whenever what is free on some node changes. */
  state: string;
}

export async function marketRow(db: PrismaClient): Promise<MarketRow> {
  const [row] = await db.$queryRaw<{ listed: number; online: number; state: string }[]>`
    SELECT count(*) FILTER (WHERE listing = 'listed')::int AS listed, count(*) FILTER (WHERE presence = 'online')::int AS online,
      coalesce(sum(hashtextextended(concat_ws('|', id, status, lifecycle, presence, listing, "cpuUsed", "ramMbUsed", "diskGbUsed", "minChunk", "pricingConfig"), 0)::numeric), 0)::text AS state
    FROM "HostNode" WHERE lifecycle = 'verified' AND listing = 'listed'`;
  return row ?? { listed: 0, online: 0, state: '' };
}

/** The machine that a rental is on and the GPUs that it holds. */
export async function rentalPlace(db: PrismaClient, rentalId: string): Promise<{ nodeId: string; gpuUuids: string[] } | null> {
  const found = await db.rental.findUnique({ where: { id: rentalId }, select: { nodeId: true, gpus: { select: { uuid: true } } } });
  return found && { nodeId: found.nodeId, gpuUuids: found.gpus.map((gpu) => gpu.uuid) };
}

export type OwnedKind = 'rental' | 'node' | 'job';

/** Whether the thing is this account's. */
export async function isOwn(db: PrismaClient, kind: OwnedKind, id: string, userId: string): Promise<boolean> {
  switch (kind) {
    case 'rental':
      return (await db.rental.count({ where: { id, renterId: userId } })) > 0;
    case 'node':
      return (await db.hostNode.count({ where: { id, ownerId: userId } })) > 0;
    case 'job':
      return (await db.job.count({ where: { id, submittedBy: userId } })) > 0;
  }
}

/** What a command inside needs to know of a rental; null for one of another account. */
export async function execPlace(db: PrismaClient, userId: string, rentalId: string): Promise<{ nodeId: string; status: RentalStatus } | null> {
  return await db.rental.findFirst({ where: { id: rentalId, renterId: userId }, select: { nodeId: true, status: true } });
}
