import type { Db } from '../platform/db.js';
import { withTx } from '../platform/tx.js';
import { lockForSettling, settleLocked, type Settled, type SettleTarget } from './settle.store.js';

/** Rentals in one transaction: the renters among them cannot rent for as long as it takes, so a tenth of a second. */
const BATCH = 1_000;
/** Transactions at a time: the second works while the first waits for the disk, or for the account of a host they share. */
const SIDE_BY_SIDE = 2;

/**
 * Settles any number of rentals, each at most once, in transactions of their own. Whoever settles locks the renters first, by
 * id, so any number of us may settle the same rentals at the same time: the second finds them settled. A batch that fails
 * leaves the others settled; the first failure is thrown in the end.
 */
export async function settleInBatches(db: Pick<Db, 'client'>, targets: readonly SettleTarget[], now: Date, size = BATCH): Promise<Settled> {
  const batches = Array.from({ length: Math.ceil(targets.length / size) }, (_, i) => targets.slice(i * size, (i + 1) * size));
  const settled: Settled = { rentals: 0, amountMicro: 0n };
  const failures: unknown[] = [];
  const worker = async (): Promise<void> => {
    for (let batch = batches.shift(); batch; batch = batches.shift()) {
      try {
        const one = await settleBatch(db, batch, now);
        settled.rentals += one.rentals;
        settled.amountMicro += one.amountMicro;
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, worker));
  if (failures.length > 0) throw failures[0];
  return settled;
}

function settleBatch(db: Pick<Db, 'client'>, targets: readonly SettleTarget[], now: Date): Promise<Settled> {
  return withTx(db, async (tx) => {
    await lockForSettling(tx, targets.map((target) => target.rentalId));
    return await settleLocked(tx, targets, now);
  });
}
