import { Injectable } from '@nestjs/common';
import { bumpGeneration } from '../fleet/generation.js';
import { CoveredMarks } from '../ledger/covered-marks.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { lockNode, releaseCapacity } from './claim.store.js';
import { NodeNews } from './node-news.js';
import { noteEvent } from './rental-events.js';
import { nextStatus } from './rental.rules.js';

/**
 * Frees what a stopped rental does not need: its GPUs, CPU and RAM, and only when its node says that the container is gone.
 * Disk and public ports stay claimed, so that it comes back with its files and under its address.
 */
@Injectable()
export class Park {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly redis: Redis,
    private readonly marks: CoveredMarks,
    private readonly news: NodeNews,
  ) {}

  /** The node reported the instance gone and its disk kept. The bill of what ran must be final. Repeating it changes nothing. */
  async run(rental: { id: string; nodeId: string; epoch: number }): Promise<boolean> {
    const parked = await withTx(this.db, (tx) => this.#park(tx, rental));
    if (!parked) return false;
    if (this.redis.client.status === 'ready') await this.marks.drop([{ nodeId: rental.nodeId, rentalId: rental.id, epoch: rental.epoch }]);
    this.news.tell(rental.nodeId);
    return true;
  }

  async #park(tx: Tx, { id, nodeId, epoch }: { id: string; nodeId: string; epoch: number }): Promise<boolean> {
    const now = this.clock.now();
    await lockNode(tx, nodeId);
    const rental = await tx.rental.findUnique({ where: { id } });
    if (!rental?.keepDisk || rental.epoch !== epoch || rental.storedSince === null || nextStatus(rental.status, 'parked') === null) return false;
    await tx.rental.update({ where: { id }, data: { status: 'stopped', parkedAt: now, containerId: null, phase: null, phaseSince: now, updatedAt: now, version: { increment: 1 } } });
    await releaseCapacity(tx, id, nodeId, { ...rental, diskGb: 0 });
    await noteEvent(tx, id, now, 'stopped', 'The machine reported the container gone. /workspace is kept; GPUs, CPU and RAM are free.');
    await bumpGeneration(tx, nodeId);
    return true;
  }
}
