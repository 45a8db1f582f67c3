import { Injectable } from '@nestjs/common';
import { formatUsd, type NodeUtilisation, type OperationOutput, type operations } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { downStretches, earningsByDay, rentedStretches, type Stretch } from './history.store.js';
import { filled, lastHours } from './strip.rules.js';

const DAY_MS = 86_400_000;
const HOURS = 24;

/** What an owner's machines earned and how full they were, from rows that are there anyway. */
@Injectable()
export class HostHistory {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  async earnings(ownerId: string, days: number, nodeId: string | undefined): Promise<OperationOutput<typeof operations.listEarnings>> {
    const now = this.clock.now().getTime();
    const since = new Date(now - (now % DAY_MS) - (days - 1) * DAY_MS);
    const rows = await earningsByDay(this.db.client, ownerId, since, nodeId);
    const total = rows.reduce((sum, { rentalsMicro, jobsMicro }) => sum + rentalsMicro + jobsMicro, 0n);
    return {
      from: dayOf(since),
      to: dayOf(new Date(now)),
      total_usd: formatUsd(total),
      days: rows.map(({ day, nodeId: node_id, rentalsMicro, jobsMicro }) => ({ day, node_id, rentals_usd: formatUsd(rentalsMicro), jobs_usd: formatUsd(jobsMicro), total_usd: formatUsd(rentalsMicro + jobsMicro) })),
    };
  }

  async utilisation(ownerId: string): Promise<OperationOutput<typeof operations.listUtilisation>> {
    const now = this.clock.now();
    const hours = lastHours(now, HOURS);
    const since = hours[0] ?? now;
    const { client } = this.db;
    const [nodes, rented, down] = await Promise.all([
      client.hostNode.findMany({ where: { ownerId, lifecycle: { not: 'retired' } }, select: { id: true }, orderBy: { id: 'desc' } }),
      rentedStretches(client, ownerId, since),
      downStretches(client, ownerId, since),
    ]);
    const [rentedBy, downBy] = [byNode(rented), byNode(down)];
    const strip = (nodeId: string): NodeUtilisation['hours'] => hours.map((hour) => ({ at: hour.toISOString(), rented: filled(hour, now, rentedBy.get(nodeId) ?? []), down: filled(hour, now, downBy.get(nodeId) ?? []) }));
    return { as_of: now.toISOString(), items: nodes.map(({ id }) => ({ node_id: id, hours: strip(id) })) };
  }
}

const dayOf = (at: Date): string => at.toISOString().slice(0, 10);

function byNode(stretches: readonly Stretch[]): Map<string, Stretch[]> {
  const groups = new Map<string, Stretch[]>();
  for (const stretch of stretches) groups.set(stretch.nodeId, [...(groups.get(stretch.nodeId) ?? []), stretch]);
  return groups;
}
