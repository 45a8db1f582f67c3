import { Injectable } from '@nestjs/common';
import type { Prisma } from '@muster/prisma';
import { ControlOutage } from '../agents/control-outage.js';
import { recomputeDeadlines } from '../ledger/deadlines.js';
import { lockMoneyOf } from '../ledger/lock-money.js';
import { isBilledOn, openRentalsOf } from '../ledger/for-rentals.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { withTx } from '../platform/tx.js';
import { endMoment, outageBehind } from './coverage.rules.js';
import { EndRental } from './end.js';
import { coverKey, LastCovered } from './last-covered.js';
import { NodeNews } from './node-news.js';

/** Runs, or has its disk kept, and nobody has told it to end: `isBilledOn` in SQL. */
const BILLED_ON = { endTime: null, stopRequestedAt: null, OR: [{ status: 'running' }, { storedSince: { not: null } }] } satisfies Prisma.RentalWhereInput;
const AT_ONCE = 200;
const SIDE_BY_SIDE = 6;

/**
 * Ends rentals at their deadline. Agents do so by themselves with the seconds they were given; this is the server's half,
 * for whoever's agent does not. Both bill to the deadline exactly, whenever they come to it.
 */
@Injectable()
export class DeadlineEnder {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outage: ControlOutage,
    private readonly covered: LastCovered,
    private readonly endRental: EndRental,
    private readonly news: NodeNews,
  ) {}

  async pass(signal?: AbortSignal): Promise<number> {
    const due = await this.db.client.rental.findMany({
      where: { ...BILLED_ON, deadlineAt: { lte: this.clock.now() } },
      select: { id: true },
      orderBy: { deadlineAt: 'asc' },
      take: AT_ONCE,
    });
    let ended = 0;
    const queue = due.map((rental) => rental.id);
    const worker = async (): Promise<void> => {
      for (let id = queue.shift(); id !== undefined && !signal?.aborted; id = queue.shift()) if (await this.#due(id)) ended += 1;
    };
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
    return ended;
  }

  async #due(rentalId: string): Promise<boolean> {
    const found = await this.db.client.rental.findUnique({ where: { id: rentalId }, select: { renterId: true } });
    if (!found) return false;
    await this.#solveAgain(found.renterId);
    const now = this.clock.now();
    const rental = await this.db.client.rental.findUnique({ where: { id: rentalId }, include: { gaps: true } });
    if (!rental || !isBilledOn({ ...rental, stored: rental.storedSince !== null }) || rental.deadlineAt === null || rental.deadlineAt > now) return false;
    const covered = await this.covered.of({ ...coverKey(rental), billedThrough: rental.billedThrough });
    const outages = this.outage.since(covered ?? rental.deadlineAt);
    // While its node may still come back and tell what it did at the deadline, that is the better witness.
    if (endMoment({ wanted: rental.deadlineAt, covered, now, outages, endedAtDeadline: false }).kind === 'wait') return false;
    return await this.endRental.atDeadline(rental, rental.deadlineAt);
  }

  /** Another rental's long silence costs nothing, so the balance may last longer than was foreseen. */
  async #solveAgain(renterId: string): Promise<void> {
    const now = this.clock.now();
    const marks = await this.covered.marksOf(await openRentalsOf(this.db.client, renterId));
    for (const [rentalId, mark] of marks) if (outageBehind(mark, now, this.outage.since(mark))) marks.delete(rentalId);
    const touched = await withTx(this.db, async (tx) => {
      await lockMoneyOf(tx, renterId);
      return await recomputeDeadlines(tx, renterId, now, marks);
    });
    this.news.tellAll(touched);
  }
}
