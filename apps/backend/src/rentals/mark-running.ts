import { Injectable } from '@nestjs/common';
import { bumpGeneration } from '../fleet/generation.js';
import { CoveredMarks } from '../ledger/covered-marks.js';
import { recomputeDeadlines } from '../ledger/deadlines.js';
import { lockMoneyOf } from '../ledger/lock-money.js';
import { ensureRentalAccounts } from '../ledger/for-rentals.js';
import { ceilSecond, dateOfSecond } from '../ledger/whole-seconds.rules.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { emitEvent } from '../platform/outbox.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import type { Rental } from '@muster/prisma';
import { NodeNews } from './node-news.js';
import { noteEvent } from './rental-events.js';

/** The instance has been reached from outside: it runs, and it costs from the next whole second on. */
@Injectable()
export class MarkRunning {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly redis: Redis,
    private readonly marks: CoveredMarks,
    private readonly news: NodeNews,
  ) {}

  /** False when the rental is no longer starting. `probingMs`: how long the handshake took to succeed. */
  async run(rentalId: string, probingMs: number): Promise<boolean> {
    const seen = await this.db.client.rental.findUnique({ where: { id: rentalId }, select: { renterId: true } });
    const started = seen && (await withTx(this.db, (tx) => this.#start(tx, rentalId, seen.renterId, probingMs)));
    if (!started) return false;
    // A mark that cannot be written now is made by the next heartbeat.
    if (this.redis.client.status === 'ready') await this.marks.set({ ...started.rental, rentalId }, started.startTime);
    this.news.tellAll(new Set([started.rental.nodeId, ...started.touched]));
    return true;
  }

  async #start(tx: Tx, rentalId: string, renterId: string, probingMs: number): Promise<{ rental: Rental; startTime: Date; touched: string[] } | undefined> {
    const now = this.clock.now();
    await lockMoneyOf(tx, renterId);
    const rental = await tx.rental.findUniqueOrThrow({ where: { id: rentalId } });
    if (rental.status !== 'starting') return undefined;
    const startTime = dateOfSecond(ceilSecond(now));
    await tx.rental.update({
      where: { id: rentalId },
      data: {
        status: 'running', phase: null, phaseSince: now, startTime, billedThrough: startTime, updatedAt: now, version: { increment: 1 },
        phaseMs: { ...(rental.phaseMs as Record<string, number>), probing: Math.round(probingMs), total: now.getTime() - rental.createdAt.getTime() },
      },
    });
    await ensureRentalAccounts(tx, [rentalId]);
    await tx.hostNode.update({ where: { id: rental.nodeId }, data: { startsOk: { increment: 1 } } });
    const touched = await recomputeDeadlines(tx, renterId, now);
    if (!touched.includes(rental.nodeId)) await bumpGeneration(tx, rental.nodeId);
    await noteEvent(tx, rentalId, now, 'running', 'It can be reached from outside. Billing begins.');
    await emitEvent(tx, { name: 'RentalStarted', aggregateId: rentalId, payload: { renter_id: renterId, node_id: rental.nodeId, start_time: startTime.toISOString() } });
    return { rental, startTime, touched };
  }
}
