import { Injectable } from '@nestjs/common';
import { ControlOutage } from '../agents/control-outage.js';
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
import { settleDisk, type Evidence } from './finish-billing.js';
import { coverKey, LastCovered } from './last-covered.js';
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
    private readonly outage: ControlOutage,
    private readonly covered: LastCovered,
    private readonly news: NodeNews,
  ) {}

  /** False when the rental is no longer starting. `probingMs`: how long the handshake took to succeed. */
  async run(rentalId: string, probingMs: number): Promise<boolean> {
    const seen = await this.db.client.rental.findUnique({ where: { id: rentalId } });
    const evidence = seen && (await this.#evidence(seen));
    const started = seen && evidence && (await withTx(this.db, (tx) => this.#start(tx, rentalId, seen.renterId, probingMs, evidence)));
    if (!started) return false;
    // A mark that cannot be written now is made by the next heartbeat.
    if (this.redis.client.status === 'ready') await this.marks.set({ ...started.rental, rentalId }, started.runsSince);
    this.news.tellAll(new Set([started.rental.nodeId, ...started.touched]));
    return true;
  }

  /** How far its disk is known to be covered, for one that was stopped. */
  async #evidence(rental: Rental): Promise<Evidence> {
    const covered = await this.covered.of({ ...coverKey(rental), billedThrough: rental.billedThrough });
    return { covered, outages: this.outage.since(covered ?? rental.createdAt), now: this.clock.now() };
  }

  async #start(tx: Tx, rentalId: string, renterId: string, probingMs: number, evidence: Evidence): Promise<{ rental: Rental; runsSince: Date; touched: string[] } | undefined> {
    const now = this.clock.now();
    await lockMoneyOf(tx, renterId);
    const rental = await tx.rental.findUniqueOrThrow({ where: { id: rentalId } });
    if (rental.status !== 'starting') return undefined;
    const runsSince = dateOfSecond(ceilSecond(now));
    const first = rental.startTime === null;
    if (!first) await settleDisk(tx, rental, runsSince, evidence);
    await tx.rental.update({
      where: { id: rentalId },
      data: {
        status: 'running', phase: null, phaseSince: now, updatedAt: now, version: { increment: 1 }, storedSince: null,
        ...(first ? { startTime: runsSince, billedThrough: runsSince } : {}),
        phaseMs: { ...(rental.phaseMs as Record<string, number>), probing: Math.round(probingMs), total: now.getTime() - (rental.restartedAt ?? rental.createdAt).getTime() },
      },
    });
    await ensureRentalAccounts(tx, [rentalId]);
    await tx.hostNode.update({ where: { id: rental.nodeId }, data: { startsOk: { increment: 1 } } });
    const touched = await recomputeDeadlines(tx, renterId, now);
    if (!touched.includes(rental.nodeId)) await bumpGeneration(tx, rental.nodeId);
    await noteEvent(tx, rentalId, now, 'running', first ? 'It can be reached from outside. Billing begins.' : 'It can be reached from outside again. The whole rate is billed.');
    await emitEvent(tx, { name: 'RentalStarted', aggregateId: rentalId, payload: { renter_id: renterId, node_id: rental.nodeId, start_time: runsSince.toISOString() } });
    return { rental, runsSince, touched };
  }
}
