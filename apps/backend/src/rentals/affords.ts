import { fail, formatUsd, MIN_PREPAID_MINUTES, ok, type MicroUsd, type Result } from '@muster/shared-types';
import { fundsOf } from '../ledger/balance.js';
import type { Tx } from '../platform/db.js';

/** The balance must carry ten minutes of everything that runs or starts, and of this one. Its renter is locked. */
export async function affords(tx: Tx, userId: string, rateMicroHour: MicroUsd, now: Date): Promise<Result<void>> {
  const funds = await fundsOf(tx, userId, now);
  const starting = await tx.rental.aggregate({ where: { renterId: userId, status: { in: ['pending', 'starting'] } }, _sum: { rateMicroHour: true } });
  const burn = funds.burnMicroHour + (starting._sum.rateMicroHour ?? 0n) + rateMicroHour;
  const needed = (burn * BigInt(MIN_PREPAID_MINUTES) + 59n) / 60n;
  if (funds.availableMicro >= needed) return ok(undefined);
  return fail('insufficient_funds', {
    detail: `For this, $${formatUsd(needed)} must be available: ${MIN_PREPAID_MINUTES} minutes of everything you run`,
    facts: { available_usd: formatUsd(funds.availableMicro > 0n ? funds.availableMicro : 0n), needed_usd: formatUsd(needed) },
  });
}
