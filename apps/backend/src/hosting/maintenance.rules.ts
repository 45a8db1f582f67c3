import type { MaintenanceView } from '@muster/shared-types';

const DAY_MS = 86_400_000;
/** Longer than this is no maintenance: unlist the node. */
export const LONGEST_MS = 60 * DAY_MS;
export const FURTHEST_MS = 365 * DAY_MS;

export interface Plan {
  from: Date;
  until: Date;
}

/** Why a plan cannot be; undefined when it can. */
export function refusePlan({ from, until }: Plan, now: Date): { path: string; message: string } | undefined {
  if (until <= now) return { path: 'body.until', message: 'must be in the future' };
  if (until <= from) return { path: 'body.until', message: 'must be later than `from`' };
  if (until.getTime() - from.getTime() > LONGEST_MS) return { path: 'body.until', message: 'is more than 60 days later; unlist the node instead' };
  if (from.getTime() - now.getTime() > FURTHEST_MS) return { path: 'body.from', message: 'is more than a year away' };
  return undefined;
}

export interface MaintenanceRow {
  nodeId: string;
  fromAt: Date;
  toAt: Date;
  reason: string;
  startedAt: Date | null;
  endedAt: Date | null;
  cancelledAt: Date | null;
}

export const maintenanceView = (row: MaintenanceRow): MaintenanceView => ({
  node_id: row.nodeId,
  from: row.fromAt.toISOString(),
  until: row.toAt.toISOString(),
  reason: row.reason,
  state: row.cancelledAt ? 'cancelled' : row.endedAt ? 'over' : row.startedAt ? 'now' : 'planned',
});
