import { Injectable } from '@nestjs/common';
import { ControlOutage } from '../agents/control-outage.js';
import { CoveredMarks, type InstanceKey } from '../ledger/covered-marks.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Redis } from '../platform/redis.js';
import { coveredWithoutMark } from './coverage.rules.js';

export interface CoverageOf extends InstanceKey {
  billedThrough: Date | null;
}

/** Up to which moment instances are known to be covered: from their marks, or from what Postgres knows when Redis lost them. */
@Injectable()
export class LastCovered {
  constructor(
    private readonly db: Db,
    private readonly redis: Redis,
    private readonly marks: CoveredMarks,
    private readonly outage: ControlOutage,
    private readonly clock: Clock,
  ) {}

  /** Null for a rental that has not run. Not for use inside a transaction. */
  async of(rental: CoverageOf): Promise<Date | null> {
    if (rental.billedThrough === null) return null;
    const marks = await this.marksOf([rental]);
    return marks.get(rental.rentalId) ?? (await this.#withoutMark(rental.nodeId, rental.billedThrough));
  }

  /** Marks as they are; none while Redis is away. */
  async marksOf(rentals: readonly InstanceKey[]): Promise<Map<string, Date>> {
    return this.redis.client.status === 'ready' ? await this.marks.read(rentals) : new Map<string, Date>();
  }

  /** The market was last known to be whole at its alive mark, and a node that was away then was not covered. */
  async #withoutMark(nodeId: string, billedThrough: Date): Promise<Date> {
    const [control, downtime] = await Promise.all([
      this.db.client.controlPlane.findUnique({ where: { id: 1 }, select: { aliveAt: true } }),
      this.db.client.nodeDowntime.findFirst({ where: { nodeId, toAt: null }, select: { fromAt: true } }),
    ]);
    return coveredWithoutMark({
      billedThrough,
      aliveAt: control?.aliveAt ?? billedThrough,
      downSince: downtime?.fromAt ?? null,
      now: this.clock.now(),
      outages: this.outage.since(billedThrough),
    });
  }
}
