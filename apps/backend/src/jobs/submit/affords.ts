import { fail, formatUsd, MIN_PREPAID_MINUTES, ok, type MicroUsd, type Result } from '@muster/shared-types';
import { fundsOf, lockMoneyOf, lockUsers, prepaidAndRents } from '../../ledger/for-jobs.js';
import type { Tx } from '../../platform/db.js';

export interface Means {
  availableMicro: MicroUsd;
  /** What must stay for rentals that run or start. */
  reservedMicro: MicroUsd;
  /** Rentals of his may end at another time when money is set aside. */
  rents: boolean;
}

/** What a person can set aside, with everything locked that could change it. Who rents nothing is asked in two short statements. */
export async function lockedMeans(tx: Tx, userId: string, now: Date): Promise<Means> {
  await lockUsers(tx, [userId]);
  const means = await meansOf(tx, userId, now);
  if (!means.rents) return means;
  await lockMoneyOf(tx, userId);
  return await meansOf(tx, userId, now);
}

/** Under the lock of the user no rental of his begins; balances were read after it. */
export async function meansOf(tx: Tx, userId: string, now: Date): Promise<Means> {
  const { prepaidMicro, rents } = await prepaidAndRents(tx, userId);
  if (!rents) return { availableMicro: prepaidMicro, reservedMicro: 0n, rents };
  const { availableMicro, reserveMicro } = await fundsOf(tx, userId, now);
  const { _sum } = await tx.rental.aggregate({ where: { renterId: userId, status: { in: ['pending', 'starting', 'running'] } }, _sum: { rateMicroHour: true } });
  const burn = _sum.rateMicroHour ?? 0n;
  return { availableMicro, reservedMicro: reserveMicro + (burn * BigInt(MIN_PREPAID_MINUTES) + 59n) / 60n, rents };
}

/** What is available must carry the hold, and ten minutes of every rental that runs or starts. */
export function affords({ availableMicro, reservedMicro }: Means, holdMicro: MicroUsd): Result<void> {
  const needed = holdMicro + reservedMicro;
  if (holdMicro === 0n || availableMicro >= needed) return ok(undefined);
  const rentals = reservedMicro > 0n ? `, with ${MIN_PREPAID_MINUTES} minutes of your rentals and what keeps their disks` : '';
  return fail('insufficient_funds', {
    detail: `To submit this, $${formatUsd(needed)} must be available: the most it can cost${rentals}. What is not used comes back`,
    hint: 'Set max_price_usd, or ask for less: timeout_s, max_copies',
    facts: { available_usd: formatUsd(availableMicro > 0n ? availableMicro : 0n), needed_usd: formatUsd(needed) },
  });
}
