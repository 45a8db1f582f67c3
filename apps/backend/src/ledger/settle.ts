import { Injectable } from '@nestjs/common';
import { Db } from '../platform/db.js';
import type { Prisma } from '@muster/prisma';
import { CoveredMarks, type InstanceKey } from './covered-marks.js';
import { DISK_EPOCH } from './disk-epoch.rules.js';
import { settleInBatches } from './settle-batches.js';
import type { Settled, SettleTarget } from './settle.store.js';
import { floorSecond } from './whole-seconds.rules.js';

/** Running time after which a rental is settled whatever happens. */
export const SETTLE_EVERY_S = 3_600;
/** Rentals that one pass settles at most; the next one, half a minute later, goes on. */
const AT_ONCE = 10_000;

/** What runs, and what is stopped or on its way back: its disk costs on. */
const BILLED_NOW = { endTime: null, OR: [{ status: 'running' }, { storedSince: { not: null } }] } satisfies Prisma.RentalWhereInput;
const runningRow = { id: true, nodeId: true, epoch: true, deadlineAt: true, storedSince: true } satisfies Prisma.RentalSelect;

interface RunningRow extends InstanceKey {
  deadlineAt: Date | null;
}

/** Settles rentals that run, and disks that are kept, through the last moment that is known to be covered. What ends them settles the rest. */
@Injectable()
export class Settler {
  constructor(
    private readonly db: Db,
    private readonly marks: CoveredMarks,
  ) {}

  /** Everything that has run for an hour since it was last settled. On any replica, any number of times. */
  async settleDue(now: Date): Promise<Settled> {
    const since = new Date(now.getTime() - SETTLE_EVERY_S * 1_000);
    const rows = await this.db.client.rental.findMany({
      where: { ...BILLED_NOW, billedThrough: { lte: since } },
      select: runningRow,
      orderBy: [{ renterId: 'asc' }, { id: 'asc' }],
      take: AT_ONCE,
    });
    return await this.#settle(rows.map(toRunning), now);
  }

  /** What this person pays and earns by running rentals, before a statement is shown. */
  async settleOf(userId: string, now: Date): Promise<Settled> {
    const rows = await this.db.client.rental.findMany({
      where: { AND: [BILLED_NOW, { OR: [{ renterId: userId }, { node: { ownerId: userId } }] }] },
      select: runningRow,
      take: AT_ONCE,
    });
    return await this.#settle(rows.map(toRunning), now);
  }

  async #settle(rows: readonly RunningRow[], now: Date): Promise<Settled> {
    const marks = await this.marks.read(rows);
    const targets = rows.flatMap((row) => targetOf(row, marks.get(row.rentalId), now));
    return await settleInBatches(this.db, targets, now);
  }
}

type Selected = Prisma.RentalGetPayload<{ select: typeof runningRow }>;
const toRunning = ({ id, storedSince, ...row }: Selected): RunningRow => ({ ...row, rentalId: id, epoch: storedSince === null ? row.epoch : DISK_EPOCH });

/** Never past what is covered, never past the deadline: its end is exact even when the ender comes late. */
function targetOf(row: RunningRow, mark: Date | undefined, now: Date): SettleTarget[] {
  if (!mark) return [];
  const limits = [mark, now, ...(row.deadlineAt ? [row.deadlineAt] : [])].map(floorSecond);
  return [{ rentalId: row.rentalId, throughS: Math.min(...limits) }];
}
