import { Injectable } from '@nestjs/common';
import { LOST_AFTER_S } from '@muster/shared-types';
import { ControlOutage } from '../agents/control-outage.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { EndRental } from '../rentals/end.js';
import { LostRentals } from '../rentals/lost.js';
import { isLost } from './presence.rules.js';

interface SilentNode {
  nodeId: string;
  since: Date;
}

/** Rentals on machines that will not serve them any more: silent for an hour, or retired by force when that was cut short. */
@Injectable()
export class AbandonedRentals {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outage: ControlOutage,
    private readonly lost: LostRentals,
    private readonly endRental: EndRental,
  ) {}

  async pass(): Promise<void> {
    const now = this.clock.now();
    for (const { nodeId, since } of await this.#silent(now)) {
      if (isLost({ lastBeatAt: since, now, outages: this.outage.since(since), http: false })) await this.lost.markLost(nodeId, since);
    }
    for (const nodeId of await this.#retired()) await this.endRental.endRentalsOfNode(nodeId, 'host_retired');
  }

  /** The open downtime carries the start of the silence. */
  #silent(now: Date): Promise<SilentNode[]> {
    const before = new Date(now.getTime() - LOST_AFTER_S * 1000);
    return this.db.client.$queryRaw<SilentNode[]>`
      SELECT d."nodeId", d."fromAt" AS since FROM "NodeDowntime" d JOIN "HostNode" n ON n.id = d."nodeId"
      WHERE d."toAt" IS NULL AND d."fromAt" <= ${before} AND n.presence = 'offline'
        AND EXISTS (SELECT 1 FROM "Rental" r WHERE r."nodeId" = n.id AND r.status IN ('pending', 'starting', 'running'))`;
  }

  async #retired(): Promise<string[]> {
    const nodes = await this.db.client.hostNode.findMany({
      where: { lifecycle: 'retired', rentals: { some: { status: { in: ['pending', 'starting', 'running', 'stopped'] } } } },
      select: { id: true },
    });
    return nodes.map((node) => node.id);
  }
}
