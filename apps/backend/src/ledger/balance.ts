import { Injectable } from '@nestjs/common';
import { formatUsd, type BalanceView, type MicroUsd } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { balancesOf, type Balances } from './accounts.store.js';
import { isBilledOn, openRentalsOf, type OpenRental } from './running.store.js';
import { floorSecond } from './whole-seconds.rules.js';
import { accrued, ownDeadline, storageReserve } from './zero-at.rules.js';

export interface Funds extends Balances {
  /** Prepaid less what running rentals have used since they were last settled. */
  availableMicro: MicroUsd;
  burnMicroHour: MicroUsd;
  /** What must stay, so that every disk is kept for a while when the rest is used up. Part of what is available. */
  reserveMicro: MicroUsd;
  open: readonly OpenRental[];
}

/** A person's money at this moment. Silences that are not recorded yet count as used: never too much is promised. */
export async function fundsOf(tx: Tx, userId: string, now: Date): Promise<Funds> {
  const balances = await balancesOf(tx, userId);
  const open = await openRentalsOf(tx, userId);
  const nowS = floorSecond(now);
  const used = open.reduce((sum, { line }) => sum + accrued(line, Math.min(nowS, ownDeadline(line)?.atS ?? nowS)), 0n);
  const burnMicroHour = open.filter(isBilledOn).reduce((sum, { line }) => sum + line.rateMicroHour, 0n);
  const starting = await tx.rental.aggregate({ where: { renterId: userId, startTime: null, status: { in: ['pending', 'starting'] } }, _sum: { storageMicroHour: true } });
  const disks = open.reduce((sum, { line }) => sum + (line.diskMicroHour ?? 0n), starting._sum.storageMicroHour ?? 0n);
  return { ...balances, availableMicro: balances.prepaidMicro - used, burnMicroHour, reserveMicro: storageReserve(disks), open };
}

@Injectable()
export class Balance {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
  ) {}

  async view(userId: string): Promise<BalanceView> {
    const now = this.clock.now();
    const funds = await fundsOf(this.db.client, userId, now);
    const user = await this.db.client.user.findUniqueOrThrow({ where: { id: userId }, select: { zeroAt: true } });
    return {
      balance_usd: formatUsd(funds.prepaidMicro),
      available_usd: formatUsd(funds.availableMicro > 0n ? funds.availableMicro : 0n),
      burn_usd_per_hour: formatUsd(funds.burnMicroHour),
      zero_at: funds.burnMicroHour > 0n ? (user.zeroAt?.toISOString() ?? null) : null,
      earnings_usd: formatUsd(funds.earningsMicro),
      as_of: now.toISOString(),
    };
  }
}
