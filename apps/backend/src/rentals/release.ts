import { Injectable } from '@nestjs/common';
import { Config } from '../config.js';
import { bumpGeneration } from '../fleet/generation.js';
import { CoveredMarks } from '../ledger/covered-marks.js';
import { DISK_EPOCH } from '../ledger/disk-epoch.rules.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { releasePorts } from '../tunnels/ports.js';
import { lockNode, NOTHING, releaseCapacity } from './claim.store.js';
import { NodeNews } from './node-news.js';
import { noteEvent } from './rental-events.js';
import { isTerminal, nextStatus } from './rental.rules.js';

/** Frees what a rental held, and only when its node says that nothing of it is left: an ended rental is not a free machine. */
@Injectable()
export class Release {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly config: Config,
    private readonly redis: Redis,
    private readonly marks: CoveredMarks,
    private readonly news: NodeNews,
  ) {}

  /** The node reported the instance gone. Its bill must be final. Repeating it changes nothing. */
  async run(rental: { id: string; nodeId: string; epoch: number }): Promise<boolean> {
    const released = await withTx(this.db, (tx) => this.#release(tx, rental));
    if (!released) return false;
    if (this.redis.client.status === 'ready') await this.marks.drop([rental.epoch, DISK_EPOCH].map((epoch) => ({ nodeId: rental.nodeId, rentalId: rental.id, epoch })));
    this.news.tell(rental.nodeId, { ports: true });
    return true;
  }

  async #release(tx: Tx, { id, nodeId }: { id: string; nodeId: string }): Promise<boolean> {
    const now = this.clock.now();
    await lockNode(tx, nodeId);
    const rental = await tx.rental.findUnique({ where: { id } });
    if (!rental || rental.releasedAt !== null) return false;
    const status = isTerminal(rental.status) ? rental.status : nextStatus(rental.status, 'gone');
    if (status === null || rental.endTime === null) return false;
    await tx.rental.update({ where: { id }, data: { status, releasedAt: now, phase: null, updatedAt: now, version: { increment: 1 } } });
    await releaseCapacity(tx, id, nodeId, rental.parkedAt === null ? rental : { ...NOTHING, diskGb: rental.diskGb });
    await releasePorts(tx, id, new Date(now.getTime() + this.config.portRestS * 1_000));
    await noteEvent(tx, id, now, 'released', 'The machine reported the container and its disk gone.');
    await bumpGeneration(tx, nodeId);
    return true;
  }
}
