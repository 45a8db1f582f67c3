import { Injectable } from '@nestjs/common';
import type { RentalEndReason, RentalStatus } from '@muster/shared-types';
import type { Rental } from '@muster/prisma';
import { ControlOutage } from '../agents/control-outage.js';
import { bumpGeneration } from '../fleet/generation.js';
import { recomputeDeadlines } from '../ledger/deadlines.js';
import { lockMoneyOf } from '../ledger/lock-money.js';
import { dateOfSecond, floorSecond } from '../ledger/whole-seconds.rules.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { emitEvent } from '../platform/outbox.js';
import { withTx } from '../platform/tx.js';
import { endWords, reasonOfDeadline, type Fault } from './end.rules.js';
import { finishBilling, type Evidence } from './finish-billing.js';
import { LastCovered } from './last-covered.js';
import { NodeNews } from './node-news.js';
import { noteEvent } from './rental-events.js';
import { nextStatus } from './rental.rules.js';
import { deadlineBy } from './rental.view.js';

export interface EndOrder {
  reason: RentalEndReason;
  /** When it should end: the moment of the request, or the deadline. Billing never goes past it. */
  wanted: Date;
  /** The account that asked; absent for what the market or the machine did. */
  actorId?: string;
  fault?: Fault;
  /** The agent says that it ended the instance at its deadline. */
  endedAtDeadline?: boolean;
  /** `lost`: the node has been silent for too long to be waited for. */
  lost?: boolean;
}

interface Ended {
  /** False when the rental was not in a state to be ended any more. */
  changed: boolean;
  nodeId: string;
  /** Nodes whose other rentals got new deadlines. */
  touched: string[];
}

/**
 * The one way in which a rental ends that did not fail to start: access is over, the bill is final (or waits for the node
 * to prove what it ran through an outage of ours), and the node is told to remove the instance. The claim stays until the
 * node reports it gone (`release.ts`).
 */
@Injectable()
export class EndRental {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outage: ControlOutage,
    private readonly covered: LastCovered,
    private readonly news: NodeNews,
  ) {}

  /** Ends one rental. Repeating it changes nothing. */
  async one(rentalId: string, order: EndOrder): Promise<boolean> {
    const seen = await this.db.client.rental.findUnique({ where: { id: rentalId } });
    if (!seen) return false;
    const evidence = await this.#evidence(seen, order);
    const ended = await withTx(this.db, (tx) => this.#end(tx, seen, order, evidence));
    if (!ended.changed) return false;
    this.news.tell(ended.nodeId, { stop: rentalId });
    this.news.tellAll(ended.touched.filter((nodeId) => nodeId !== ended.nodeId));
    return true;
  }

  /** Ends everything that runs or starts on a node, each exactly now. */
  async endRentalsOfNode(nodeId: string, reason: RentalEndReason, actorId?: string): Promise<number> {
    const wanted = this.clock.now();
    const rentals = await this.db.client.rental.findMany({ where: { nodeId, status: { in: ['pending', 'starting', 'running'] } }, select: { id: true } });
    const ended = await Promise.all(rentals.map(({ id }) => this.one(id, { reason, wanted, ...(actorId ? { actorId } : {}) })));
    return ended.filter(Boolean).length;
  }

  /** Finishes the bill of a stopped rental that had to wait for its node. `final`: no more will be known. */
  async finish(rentalId: string, known: { endedAtDeadline?: boolean; final?: boolean } = {}): Promise<boolean> {
    const seen = await this.db.client.rental.findUnique({ where: { id: rentalId } });
    if (!seen) return false;
    const evidence = { ...(await this.#evidence(seen, known)), final: known.final ?? false };
    const touched = await withTx(this.db, async (tx) => {
      await lockMoneyOf(tx, seen.renterId);
      const rental = await tx.rental.findUniqueOrThrow({ where: { id: rentalId } });
      if (rental.status !== 'stopping' || rental.endTime !== null || rental.stopRequestedAt === null) return undefined;
      if (!(await finishBilling(tx, rental, rental.stopRequestedAt, evidence))) return undefined;
      return await recomputeDeadlines(tx, rental.renterId, evidence.now);
    });
    this.news.tellAll(touched ?? []);
    return touched !== undefined;
  }

  async #evidence(rental: Rental, known: { endedAtDeadline?: boolean }): Promise<Evidence> {
    const covered = await this.covered.of({ ...rental, rentalId: rental.id });
    return { covered, outages: this.outage.since(covered ?? rental.createdAt), now: this.clock.now(), endedAtDeadline: known.endedAtDeadline ?? false };
  }

  async #end(tx: Tx, seen: Rental, order: EndOrder, evidence: Evidence): Promise<Ended> {
    await lockMoneyOf(tx, seen.renterId);
    const rental = await tx.rental.findUniqueOrThrow({ where: { id: seen.id } });
    const status = nextStatus(rental.status, order.lost ? 'lose' : 'stop');
    if (status === null) return { changed: false, nodeId: rental.nodeId, touched: [] };
    await this.#write(tx, rental, await withDeadline(tx, rental, order), status, evidence);
    const touched = await recomputeDeadlines(tx, rental.renterId, evidence.now);
    await bumpGeneration(tx, rental.nodeId);
    return { changed: true, nodeId: rental.nodeId, touched };
  }

  async #write(tx: Tx, rental: Rental, order: EndOrder, status: RentalStatus, evidence: Evidence): Promise<void> {
    const { now } = evidence;
    const wanted = dateOfSecond(floorSecond(order.wanted));
    const ran = rental.startTime !== null;
    await tx.rental.update({
      where: { id: rental.id },
      data: {
        status, phase: null, phaseSince: now, stopRequestedAt: wanted, endReason: order.reason, updatedAt: now, version: { increment: 1 },
        faultCode: order.fault?.code ?? null, faultMessage: order.fault?.message ?? null, ...(ran ? {} : { endTime: now }),
      },
    });
    if (ran) await finishBilling(tx, rental, wanted, order.lost ? { ...evidence, lost: true, final: true } : evidence);
    await noteEvent(tx, rental.id, now, 'ended', order.fault?.message ?? endWords(order.reason));
    await emitEvent(tx, {
      name: 'RentalEnded',
      aggregateId: rental.id,
      ...(order.actorId ? { actorId: order.actorId } : {}),
      payload: { renter_id: rental.renterId, node_id: rental.nodeId, reason: order.reason, ran },
    });
  }
}

/** Whoever comes late to a deadline ends the rental at the deadline, and for its reason. The deadline is that under the lock. */
async function withDeadline(tx: Tx, rental: Rental, order: EndOrder): Promise<EndOrder> {
  if (rental.deadlineAt === null || rental.deadlineAt >= order.wanted) return order;
  if (order.lost) return { ...order, wanted: rental.deadlineAt };
  const gaps = await tx.rentalGap.findMany({ where: { rentalId: rental.id } });
  const reason = reasonOfDeadline(deadlineBy({ ...rental, gaps }) ?? 'balance');
  return { reason, wanted: rental.deadlineAt, ...(order.endedAtDeadline ? { endedAtDeadline: true } : {}) };
}
