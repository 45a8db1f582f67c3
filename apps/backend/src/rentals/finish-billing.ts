import type { Tx } from '../platform/db.js';
import { settleLocked } from '../ledger/for-rentals.js';
import { ceilSecond, dateOfSecond, floorSecond } from '../ledger/whole-seconds.rules.js';
import { insertGap } from './gaps.js';
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
  const endS = lastSecond(rental.startTime, rental.billedThrough, wanted, evidence);
  if (endS === null) return false;
  await tx.rental.update({ where: { id: rental.id }, data: { endTime: dateOfSecond(endS) } });
  await settleLocked(tx, [{ rentalId: rental.id, throughS: endS }], evidence.now);
  return true;
}

/**
 * Settles a rental whose disk is kept to the last second of its whole rate; from there on it costs that of its disk. Null when
 * that has to wait, as in `finishBilling`; else the second.
 */
export async function storeFrom(tx: Tx, rental: RanRental, wanted: Date, evidence: Evidence): Promise<Date | null> {
  if (rental.startTime === null || rental.billedThrough === null) throw new Error('a rental that never ran has nothing to keep');
  const endS = lastSecond(rental.startTime, rental.billedThrough, wanted, evidence);
  if (endS === null) return null;
  await settleLocked(tx, [{ rentalId: rental.id, throughS: endS }], evidence.now);
  const storedSince = dateOfSecond(endS);
  await tx.rental.update({ where: { id: rental.id }, data: { storedSince, stopRequestedAt: null, deadlineAt: null } });
  return storedSince;
}

/**
 * Settles what a kept disk has cost up to the second from which its rental runs again. Where its node was silent for long, or is
 * not known to have been there, nothing is charged: the bill goes on at `through` with the rest as a gap.
 */
export async function settleDisk(tx: Tx, rental: RanRental, through: Date, evidence: Evidence): Promise<void> {
  if (rental.startTime === null || rental.billedThrough === null) return;
  const endS = lastSecond(rental.startTime, rental.billedThrough, through, { ...evidence, final: true }) ?? floorSecond(through);
  if (endS < floorSecond(through)) await insertGap(tx, rental.id, dateOfSecond(endS), through, 'node_silent');
  await settleLocked(tx, [{ rentalId: rental.id, throughS: floorSecond(through) }], evidence.now);
}

/** The last billed second of a stretch that is over; null while its node may still prove more. */
function lastSecond(startTime: Date, billedThrough: Date, wanted: Date, evidence: Evidence): number | null {
  const moment = endMoment({ ...evidence, wanted, endedAtDeadline: evidence.endedAtDeadline ?? false, lost: evidence.lost ?? false });
  if (moment.kind === 'wait' && !evidence.final) return null;
  const end = moment.kind === 'at' ? moment.end : (evidence.covered ?? billedThrough);
  return Math.max(ceilSecond(startTime), floorSecond(billedThrough), Math.min(floorSecond(end), floorSecond(wanted)));
}
