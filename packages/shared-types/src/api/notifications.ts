import { z } from 'zod';
import { Timestamp, Uuid } from '../units.js';
import { operation, pageQuery } from './operation.js';

/** What a notification tells of. */
export const NotificationKind = z.enum([
  'rental_running', 'rental_ended', 'rental_stopped', 'rental_failed', 'hosted_began', 'hosted_ended', 'balance_low', 'payment_received',
  'node_online', 'node_offline', 'node_quarantined', 'node_released', 'node_finding', 'node_recovered', 'maintenance_planned', 'maintenance_cancelled', 'job_completed', 'job_failed', 'account_notice',
]);
export type NotificationKind = z.infer<typeof NotificationKind>;

/** Something that a person should know of; `subject` is what it is about. */
export const NotificationView = z
  .object({
    id: Uuid,
    at: Timestamp,
    kind: NotificationKind,
    title: z.string(),
    message: z.string(),
    subject: z.object({ kind: z.enum(['rental', 'node', 'job', 'account']), id: Uuid }).nullable(),
    read_at: Timestamp.nullable(),
  })
  .meta({ id: 'Notification' });
export type NotificationView = z.infer<typeof NotificationView>;

export const notificationOperations = {
  listNotifications: operation({
    method: 'GET', path: '/api/v1/notifications', tag: 'notifications', summary: 'What this account was told, newest first',
    auth: { kind: 'user', scope: 'read' }, owner: 'self',
    query: z.object({ ...pageQuery, state: z.enum(['all', 'unread']).default('all') }),
    status: 200, response: z.object({ items: z.array(NotificationView), next: z.string().nullable(), unread: z.number().int() }), problems: [],
  }),
  readNotifications: operation({
    method: 'POST', path: '/api/v1/notifications/read', tag: 'notifications', summary: 'Mark as read: these, or all up to now',
    auth: { kind: 'user', scope: 'read' }, owner: 'self',
    body: z.object({ ids: z.array(Uuid).min(1).max(200).optional() }).strict(),
    status: 200, response: z.object({ unread: z.number().int() }), problems: [],
  }),
} as const;
