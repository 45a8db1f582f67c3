import { Injectable } from '@nestjs/common';
import { COVERED_GAP_S } from '@muster/shared-types';
import { ControlOutage } from '../agents/control-outage.js';
import { CoveredMarks, type InstanceKey } from '../ledger/covered-marks.js';
import { DISK_EPOCH } from '../ledger/disk-epoch.rules.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Redis } from '../platform/redis.js';
import { coveredWithoutMark } from './coverage.rules.js';

/** What covers a rental at present: the run of its instance, or, once it is billed for its disk only, that disk. */
export const coverKey = (rental: { id: string; nodeId: string; epoch: number; storedSince: Date | null }): InstanceKey => ({
  nodeId: rental.nodeId,
  rentalId: rental.id,
  epoch: rental.storedSince === null ? rental.epoch : DISK_EPOCH,
});

const SWEEP_FIRST_AT = 10_000;

/** Of an instance whose node speaks to this process. */
interface Heard {
  /** Up to where it is covered, as its mark says. Absent while that is not known here. */
  covered?: Date;
  /** The last heartbeat that spoke of it, whether its tunnel was up or not. */
  at: Date;
}

export interface CoverageOf extends InstanceKey {
  billedThrough: Date | null;
}

/**
 * Up to which moment instances are known to be covered: from their marks; when Redis lost them, from what this process has
 * heard itself, so that an instance whose tunnel was down then is not billed for it; else from what Postgres knows.
 */
@Injectable()
export class LastCovered {
  readonly #heard = new Map<string, Heard>();
  #sweepAt = SWEEP_FIRST_AT;

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
    return marks.get(rental.rentalId) ?? this.#remembered(rental) ?? (await this.#withoutMark(rental.nodeId, rental.billedThrough));
  }

  /** A heartbeat spoke of this instance; `covered` when its mark has moved to there. */
  note(instance: InstanceKey, at: Date, covered?: Date): void {
    if (this.#heard.size >= this.#sweepAt) this.#sweep(at);
    const known = covered ?? this.#heard.get(nameOf(instance))?.covered;
    this.#heard.set(nameOf(instance), { at, ...(known && { covered: known }) });
  }

  /** Nothing when its node has not spoken here lately: it may speak to another replica. */
  #remembered(instance: InstanceKey): Date | undefined {
    const heard = this.#heard.get(nameOf(instance));
    return heard && this.clock.now().getTime() - heard.at.getTime() <= COVERED_GAP_S * 1_000 ? heard.covered : undefined;
  }

  #sweep(now: Date): void {
    for (const [name, { at }] of this.#heard) if (now.getTime() - at.getTime() > COVERED_GAP_S * 1_000) this.#heard.delete(name);
    this.#sweepAt = Math.max(SWEEP_FIRST_AT, 2 * this.#heard.size);
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

const nameOf = ({ nodeId, rentalId, epoch }: InstanceKey): string => `${nodeId}:${rentalId}:${epoch}`;
