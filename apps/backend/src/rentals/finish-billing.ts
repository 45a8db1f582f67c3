import type { Tx } from '../platform/db.js';
import { settleLocked } from '../ledger/for-rentals.js';
import { ceilSecond, dateOfSecond, floorSecond } from '../ledger/whole-seconds.rules.js';
import { endMoment, type Outage } from './coverage.rules.js';

/** What is known, before the transaction, of how far a rental was covered. */
export interface Evidence {
  covered: Date | null;
  outages: readonly Outage[];
  now: Date;
  endedAtDeadline?: boolean;
  /** The node was silent for so long that it is given up. */
  lost?: boolean;
  /** No more will be known: decide now, in the renter's favour. */
  final?: boolean;
}

export interface RanRental {
  id: string;
  startTime: Date | null;
  billedThrough: Date | null;
}

/**
 * Sets the last second of a rental that ran and settles it to there. False when that has to wait for the node to come
 * back after an outage of the market; `endTime` then stays empty. Everything is locked by the caller (`lockMoneyOf`).
 */
export async function finishBilling(tx: Tx, rental: RanRental, wanted: Date, evidence: Evidence): Promise<boolean> {
  if (rental.startTime === null || rental.billedThrough === null) return true;
  const moment = endMoment({ ...evidence, wanted, endedAtDeadline: evidence.endedAtDeadline ?? false, lost: evidence.lost ?? false });
  if (moment.kind === 'wait' && !evidence.final) return false;
  const end = moment.kind === 'at' ? moment.end : (evidence.covered ?? rental.billedThrough);
  const endS = Math.max(ceilSecond(rental.startTime), floorSecond(rental.billedThrough), Math.min(floorSecond(end), floorSecond(wanted)));
  await tx.rental.update({ where: { id: rental.id }, data: { endTime: dateOfSecond(endS) } });
  await settleLocked(tx, [{ rentalId: rental.id, throughS: endS }], evidence.now);
  return true;
}
