import { fail, formatUsd, MIN_PREPAID_MINUTES, ok, STORAGE_RESERVE_H, type MicroUsd, type Result } from '@muster/shared-types';
import { fundsOf } from '../ledger/balance.js';
import { storageReserve } from '../ledger/zero-at.rules.js';
import type { Tx } from '../platform/db.js';

export interface Rates {
  rateMicroHour: MicroUsd;
  /** Of a disk that is not there yet; 0 for one that is. */
  newDiskMicroHour: MicroUsd;
}

/**
 * The balance must carry ten minutes of everything that runs or starts and of this one, on top of what keeps all disks for a
 * while when it is used up. Its renter is locked.
 */
export async function affords(tx: Tx, userId: string, { rateMicroHour, newDiskMicroHour }: Rates, now: Date): Promise<Result<void>> {
  const funds = await fundsOf(tx, userId, now);
  const starting = await tx.rental.aggregate({ where: { renterId: userId, status: { in: ['pending', 'starting'] } }, _sum: { rateMicroHour: true } });
  const burn = funds.burnMicroHour + (starting._sum.rateMicroHour ?? 0n) + rateMicroHour;
  const reserveMicro = funds.reserveMicro + storageReserve(newDiskMicroHour);
  const needed = (burn * BigInt(MIN_PREPAID_MINUTES) + 59n) / 60n + reserveMicro;
  if (funds.availableMicro >= needed) return ok(undefined);
  return fail('insufficient_funds', {
    detail: `For this, $${formatUsd(needed)} must be available: ${MIN_PREPAID_MINUTES} minutes of everything you run, and ${STORAGE_RESERVE_H} h of every disk`,
    facts: { available_usd: formatUsd(funds.availableMicro > 0n ? funds.availableMicro : 0n), needed_usd: formatUsd(needed), reserve_usd: formatUsd(reserveMicro) },
  });
}
