import { ceilSecond, dateOfSecond, floorSecond } from '../ledger/whole-seconds.rules.js';
import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { noteEvent } from './rental-events.js';

/** Whole seconds, outwards, clear of what is settled and of gaps before it. A replay inserts nothing. */
export async function insertGap(tx: Tx, rentalId: string, from: Date, to: Date, cause: string): Promise<void> {
  const rental = await tx.rental.findUniqueOrThrow({ where: { id: rentalId }, select: { billedThrough: true, stopRequestedAt: true } });
  const before = await tx.rentalGap.findFirst({ where: { rentalId }, orderBy: { toAt: 'desc' }, select: { toAt: true } });
  const fromS = Math.max(floorSecond(from), ...[rental.billedThrough, before?.toAt].filter((at) => at != null).map(ceilSecond));
  const toS = ceilSecond(to);
  if (toS <= fromS) return;
  await tx.rentalGap.create({ data: { id: newId(), rentalId, fromAt: dateOfSecond(fromS), toAt: dateOfSecond(toS), cause } });
  await noteEvent(tx, rentalId, to, 'gap', `It was out of reach for ${toS - fromS} s. This time is not charged.`);
}
