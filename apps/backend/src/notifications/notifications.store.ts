import { NotificationKind, type NotificationView } from '@muster/shared-types';
import type { Notification, Prisma, PrismaClient } from '@muster/prisma';
import { readCursor, writeCursor, type Page } from '../platform/cursor.js';
import { newId } from '../platform/ids.js';
import type { Draft } from './words.rules.js';

/** Keeps what was not told yet: the same event tells an account once, however often it is delivered. */
export async function keepNotifications(db: PrismaClient, eventId: bigint, drafts: readonly Draft[], at: Date): Promise<(NotificationView & { userId: string })[]> {
  const data = drafts.map(({ userId, kind, title, message, subject }) => ({
    id: newId(), userId, eventId, kind, title: title.slice(0, 200), message: message.slice(0, 2_000), subjectKind: subject?.kind ?? null, subjectId: subject?.id ?? null, createdAt: at,
  }));
  const kept = await db.notification.createManyAndReturn({ data, skipDuplicates: true });
  return kept.map((row) => ({ userId: row.userId, ...viewOf(row) }));
}

export async function notificationsPage(db: PrismaClient, userId: string, query: { cursor?: string | undefined; limit: number; unread: boolean }): Promise<Page<NotificationView>> {
  const after = readCursor(query.cursor);
  const where: Prisma.NotificationWhereInput = {
    userId,
    ...(query.unread && { readAt: null }),
    ...(after && { OR: [{ createdAt: { lt: after[0] } }, { createdAt: after[0], id: { lt: after[1] } }] }),
  };
  const rows = await db.notification.findMany({ where, orderBy: [{ createdAt: 'desc' }, { id: 'desc' }], take: query.limit + 1 });
  const shown = rows.slice(0, query.limit);
  const last = shown.at(-1);
  return { items: shown.map(viewOf), next: rows.length > query.limit && last ? writeCursor([last.createdAt.toISOString(), last.id]) : null };
}

export const countUnread = (db: PrismaClient, userId: string): Promise<number> => db.notification.count({ where: { userId, readAt: null } });

/** These, or all; another account's id changes nothing. */
export async function markRead(db: PrismaClient, userId: string, ids: readonly string[] | undefined, at: Date): Promise<void> {
  await db.notification.updateMany({ where: { userId, readAt: null, ...(ids && { id: { in: [...ids] } }) }, data: { readAt: at } });
}

const DAY_MS = 86_400_000;

/** A read one is kept for a month, any for half a year. */
export async function forgetOld(db: PrismaClient, now: Date): Promise<void> {
  const before = (days: number): Date => new Date(now.getTime() - days * DAY_MS);
  await db.notification.deleteMany({ where: { OR: [{ readAt: { lt: before(30) } }, { createdAt: { lt: before(180) } }] } });
}

const viewOf = (row: Notification): NotificationView => ({
  id: row.id,
  at: row.createdAt.toISOString(),
  kind: NotificationKind.catch('account_notice').parse(row.kind),
  title: row.title,
  message: row.message,
  subject: row.subjectKind !== null && row.subjectId !== null ? { kind: row.subjectKind as NonNullable<NotificationView['subject']>['kind'], id: row.subjectId } : null,
  read_at: row.readAt?.toISOString() ?? null,
});
