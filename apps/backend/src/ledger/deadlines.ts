import type { Tx } from '../platform/db.js';
import { bumpGeneration } from '../fleet/generation.js';
import { balancesOf } from './accounts.store.js';
import { isSilent } from './silence.rules.js';
import { isBilledOn, openRentalsOf, type OpenRental } from './running.store.js';
import { dateOfSecond, floorSecond } from './whole-seconds.rules.js';
import { deadlinesOf, type RunningLine } from './zero-at.rules.js';

/**
 * Solves again when the balance reaches zero and when each running or stopped rental of this person ends, and stores both. Nodes
 * whose desired state changed by it get a new generation; push it to them (`NodePush.changed`) after commit.
 * Call it, with everything locked by `lockMoneyOf`, in the transaction of whatever changed balance, rates or limits.
 *
 * `marks`: how far each instance is covered, when the caller has looked. An instance that is silent for long then costs
 * nothing for its silence; without marks it counts as if it ran, so a deadline is never late.
 */
export async function recomputeDeadlines(tx: Tx, userId: string, now: Date, marks?: ReadonlyMap<string, Date>): Promise<string[]> {
  const open = await openRentalsOf(tx, userId);
  const { prepaidMicro } = await balancesOf(tx, userId);
  const { zeroAtS, byRental } = deadlinesOf(prepaidMicro, open.map((rental) => withSilence(rental, now, marks)));
  await tx.user.update({ where: { id: userId }, data: { zeroAt: zeroAtS === null ? null : dateOfSecond(zeroAtS) } });
  const changed: OpenRental[] = [];
  for (const rental of open.filter(isBilledOn)) {
    const deadline = byRental.get(rental.rentalId);
    const at = deadline ? dateOfSecond(deadline.atS) : null;
    if (at?.getTime() === rental.deadlineAt?.getTime()) continue;
    await tx.rental.update({ where: { id: rental.rentalId }, data: { deadlineAt: at, updatedAt: now } });
    changed.push(rental);
  }
  return await bumpAll(tx, changed);
}

async function bumpAll(tx: Tx, changed: readonly OpenRental[]): Promise<string[]> {
  const nodes = [...new Set(changed.map((rental) => rental.nodeId))].sort();
  for (const nodeId of nodes) await bumpGeneration(tx, nodeId);
  return nodes;
}

function withSilence(rental: OpenRental, now: Date, marks: ReadonlyMap<string, Date> | undefined): RunningLine {
  const mark = marks?.get(rental.rentalId);
  if (!mark || !isSilent(mark, now)) return rental.line;
  return { ...rental.line, gaps: [...rental.line.gaps, { fromS: floorSecond(mark), toS: floorSecond(now) }] };
}
