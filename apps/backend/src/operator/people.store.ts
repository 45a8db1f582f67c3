import { formatUsd, type OperatorUser } from '@muster/shared-types';
import { Prisma, type PrismaClient } from '@muster/prisma';
import { accountView } from '../identity/account.view.js';
import { readCursor, writeCursor, type Page } from '../platform/cursor.js';

const LIVE_RENTALS = ['pending', 'starting', 'running', 'stopping', 'stopped'] as const;
const include = {
  accounts: { where: { kind: 'prepaid' }, select: { balance: true } },
  _count: { select: { nodes: { where: { lifecycle: { not: 'retired' } } }, rentals: { where: { status: { in: [...LIVE_RENTALS] } } }, jobs: { where: { status: { notIn: ['completed', 'failed', 'cancelled'] } } } } },
} satisfies Prisma.UserInclude;
type Row = Prisma.UserGetPayload<{ include: typeof include }>;

export interface UsersQuery {
  cursor?: string | undefined;
  limit: number;
  q?: string | undefined;
  state: 'all' | 'suspended' | 'operators';
}

export async function usersPage(db: PrismaClient, query: UsersQuery): Promise<Page<OperatorUser>> {
  const after = readCursor(query.cursor);
  const where: Prisma.UserWhereInput = {
    AND: [
      query.state === 'suspended' ? { disabledAt: { not: null } } : query.state === 'operators' ? { isOperator: true } : {},
      query.q === undefined ? {} : isUuid(query.q) ? { id: query.q } : { email: { contains: query.q.toLowerCase() } },
      after ? { OR: [{ createdAt: { lt: after[0] } }, { createdAt: after[0], id: { lt: after[1] } }] } : {},
    ],
  };
  const rows = await db.user.findMany({ where, include, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }], take: query.limit + 1 });
  return pageOf(rows, query.limit, userView, (row) => [row.createdAt.toISOString(), row.id]);
}

export async function userOf(db: PrismaClient, id: string): Promise<OperatorUser | undefined> {
  const row = await db.user.findUnique({ where: { id }, include });
  return row ? userView(row) : undefined;
}

const userView = (row: Row): OperatorUser => ({
  ...accountView(row),
  suspended_at: row.disabledAt?.toISOString() ?? null,
  balance_usd: formatUsd(row.accounts[0]?.balance ?? 0n),
  nodes: row._count.nodes,
  live_rentals: row._count.rentals,
  open_jobs: row._count.jobs,
});

export const isUuid = (text: string): boolean => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

/** One page of rows that were asked for with one more than fits. */
export function pageOf<R, T>(rows: readonly R[], limit: number, view: (row: R) => T, position: (row: R) => readonly [string, string]): Page<T> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return { items: shown.map(view), next: rows.length > limit && last !== undefined ? writeCursor(position(last)) : null };
}

/** What of an account is open and ends when it is suspended. */
export async function openOf(db: PrismaClient, userId: string): Promise<{ rentalIds: string[]; jobIds: string[]; nodeIds: string[] }> {
  const [rentals, jobs, nodes] = await Promise.all([
    db.rental.findMany({ where: { renterId: userId, status: { in: [...LIVE_RENTALS] } }, select: { id: true } }),
    db.job.findMany({ where: { submittedBy: userId, status: { notIn: ['completed', 'failed', 'cancelled'] } }, select: { id: true } }),
    db.hostNode.findMany({ where: { ownerId: userId, lifecycle: { not: 'retired' } }, select: { id: true } }),
  ]);
  const ids = (rows: readonly { id: string }[]): string[] => rows.map(({ id }) => id);
  return { rentalIds: ids(rentals), jobIds: ids(jobs), nodeIds: ids(nodes) };
}
