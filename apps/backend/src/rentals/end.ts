import { Injectable } from '@nestjs/common';
import { STORAGE_RESERVE_H, type RentalEndReason, type RentalStatus } from '@muster/shared-types';
import type { Rental, RentalGap } from '@muster/prisma';
import { ControlOutage } from '../agents/control-outage.js';
import { bumpGeneration } from '../fleet/generation.js';
import { CoveredMarks } from '../ledger/covered-marks.js';
import { DISK_EPOCH } from '../ledger/disk-epoch.rules.js';
import { recomputeDeadlines } from '../ledger/deadlines.js';
import { lockMoneyOf } from '../ledger/lock-money.js';
import { dateOfSecond, floorSecond } from '../ledger/whole-seconds.rules.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { emitEvent } from '../platform/outbox.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { endWords, reasonOfDeadline, type Fault } from './end.rules.js';
import { finishBilling, storeFrom, type Evidence } from './finish-billing.js';
import { coverKey, LastCovered } from './last-covered.js';
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

/** Ends the run of a rental and keeps its disk. */
export type StopOrder = Omit<EndOrder, 'reason' | 'lost'>;

interface Ended {
  /** False when the rental was not in a state to be ended any more. */
  changed: boolean;
  nodeId: string;
  /** Nodes whose other rentals got new deadlines. */
  touched: string[];
  /** Since when it is billed for its disk only. */
  storedSince?: Date;
}

/** Why one that ran to the end of its renter's balance was stopped. */
const BALANCE_USED_UP: Fault = { code: 'balance_exhausted', message: `The balance is used up; what is left of it keeps the disk for ${STORAGE_RESERVE_H} h. Top up and start it again.` };

/** A machine that goes for these reasons is not waited for, nor are the disks that it keeps. */
const FOR_GOOD: readonly RentalEndReason[] = ['host_retired', 'account_suspended'];

const UNCHANGED: Ended = { changed: false, nodeId: '', touched: [] };

/**
 * The one way in which a rental that did not fail to start ends, or stops: access is over, the bill of what ran is final (or
 * waits for the node to prove what it ran through an outage of ours), and the node is told to remove the instance, with or
 * without its disk. The claim stays until the node reports it gone (`park.ts`, `release.ts`).
 */
@Injectable()
export class EndRental {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outage: ControlOutage,
    private readonly covered: LastCovered,
    private readonly redis: Redis,
    private readonly marks: CoveredMarks,
    private readonly news: NodeNews,
  ) {}

  /** Ends one rental. Repeating it changes nothing. */
  one(rentalId: string, order: EndOrder): Promise<boolean> {
    return this.#over(rentalId, (tx, seen, evidence) => this.#end(tx, seen, order, evidence), order);
  }

  /**
   * Its deadline has come, and is the end however late this is called. By `balance` what runs is stopped, its disk kept by what is
   * left; by the limits that its renter set, and of what is stopped already, the disk goes too.
   */
  atDeadline(rental: Rental & { gaps: RentalGap[] }, wanted: Date, known: { endedAtDeadline?: boolean } = {}): Promise<boolean> {
    const by = deadlineBy(rental) ?? 'balance';
    if (by === 'balance' && rental.storedSince === null) return this.stop(rental.id, { wanted, fault: BALANCE_USED_UP, ...known });
    return this.one(rental.id, { reason: reasonOfDeadline(by), wanted, ...known });
  }

  /** Stops one that runs. Past its deadline that counts, and its reason. Repeating it changes nothing. */
  stop(rentalId: string, order: StopOrder): Promise<boolean> {
    return this.#over(rentalId, (tx, seen, evidence) => this.#stop(tx, seen, order, evidence), order);
  }

  async #over(rentalId: string, work: (tx: Tx, seen: Rental, evidence: Evidence) => Promise<Ended>, order: StopOrder): Promise<boolean> {
    const seen = await this.db.client.rental.findUnique({ where: { id: rentalId } });
    if (!seen) return false;
    const evidence = await this.#evidence(seen, order);
    const ended = await withTx(this.db, (tx) => work(tx, seen, evidence));
    if (!ended.changed) return false;
    if (ended.storedSince) await this.#coverDisk(seen, ended.storedSince);
    this.news.tell(ended.nodeId, { stop: rentalId });
    this.news.tellAll(ended.touched.filter((nodeId) => nodeId !== ended.nodeId));
    return true;
  }

  /** Ends everything that runs or starts on a node, each exactly now; of a node that leaves for good also what is stopped there. */
  async endRentalsOfNode(nodeId: string, reason: RentalEndReason, actorId?: string): Promise<number> {
    const wanted = this.clock.now();
    const kept = FOR_GOOD.includes(reason) ? [{ status: { in: ['stopping', 'stopped'] as RentalStatus[] }, keepDisk: true }] : [];
    const where = { nodeId, OR: [{ status: { in: ['pending', 'starting', 'running'] as RentalStatus[] } }, ...kept] };
    const rentals = await this.db.client.rental.findMany({ where, select: { id: true } });
    const ended = await Promise.all(rentals.map(({ id }) => this.one(id, { reason, wanted, ...(actorId ? { actorId } : {}) })));
    return ended.filter(Boolean).length;
  }

  /** Finishes the bill of a stopped rental that had to wait for its node. `final`: no more will be known. */
  async finish(rentalId: string, known: { endedAtDeadline?: boolean; final?: boolean } = {}): Promise<boolean> {
    const seen = await this.db.client.rental.findUnique({ where: { id: rentalId } });
    if (!seen) return false;
    const evidence = { ...(await this.#evidence(seen, known)), final: known.final ?? false };
    const finished = await withTx(this.db, async (tx) => {
      await lockMoneyOf(tx, seen.renterId);
      const rental = await tx.rental.findUniqueOrThrow({ where: { id: rentalId } });
      if (rental.status !== 'stopping' || rental.endTime !== null || rental.stopRequestedAt === null) return undefined;
      const storedSince = rental.keepDisk ? await storeFrom(tx, rental, rental.stopRequestedAt, evidence) : undefined;
      if (storedSince === null || (storedSince === undefined && !(await finishBilling(tx, rental, rental.stopRequestedAt, evidence)))) return undefined;
      return { storedSince, touched: await recomputeDeadlines(tx, rental.renterId, evidence.now) };
    });
    if (finished?.storedSince) await this.#coverDisk(seen, finished.storedSince);
    this.news.tellAll(finished?.touched ?? []);
    return finished !== undefined;
  }

  /** A mark that cannot be written now is made by the next heartbeat. */
  async #coverDisk(rental: Rental, since: Date): Promise<void> {
    if (this.redis.client.status === 'ready') await this.marks.set({ nodeId: rental.nodeId, rentalId: rental.id, epoch: DISK_EPOCH }, since);
  }

  async #evidence(rental: Rental, known: { endedAtDeadline?: boolean }): Promise<Evidence> {
    const covered = await this.covered.of({ ...coverKey(rental), billedThrough: rental.billedThrough });
    return { covered, outages: this.outage.since(covered ?? rental.createdAt), now: this.clock.now(), endedAtDeadline: known.endedAtDeadline ?? false };
  }

  async #end(tx: Tx, seen: Rental, order: EndOrder, evidence: Evidence): Promise<Ended> {
    await lockMoneyOf(tx, seen.renterId);
    const rental = await tx.rental.findUniqueOrThrow({ where: { id: seen.id } });
    const status = nextStatus(rental.status, order.lost ? 'lose' : 'end');
    if (status === null || (rental.status === 'stopping' && !rental.keepDisk)) return UNCHANGED;
    await this.#write(tx, rental, await withDeadline(tx, rental, order), status, evidence);
    return await this.#changed(tx, rental, evidence.now);
  }

  async #stop(tx: Tx, seen: Rental, order: StopOrder, evidence: Evidence): Promise<Ended> {
    await lockMoneyOf(tx, seen.renterId);
    const rental = await tx.rental.findUniqueOrThrow({ where: { id: seen.id } });
    if (rental.status !== 'running') return UNCHANGED;
    const late = await withDeadline(tx, rental, { ...order, reason: 'destroyed' });
    if (late.reason !== 'destroyed' && late.reason !== 'balance_exhausted') return await this.#end(tx, seen, late, evidence);
    const { now } = evidence;
    const wanted = dateOfSecond(floorSecond(late.wanted));
    const told = late.reason === 'balance_exhausted' ? BALANCE_USED_UP : order.fault;
    const fault = { faultCode: told?.code ?? null, faultMessage: told?.message ?? null };
    await tx.rental.update({ where: { id: rental.id }, data: { status: 'stopping', keepDisk: true, phase: null, phaseSince: now, stopRequestedAt: wanted, updatedAt: now, version: { increment: 1 }, ...fault } });
    const storedSince = await storeFrom(tx, rental, wanted, evidence);
    await noteEvent(tx, rental.id, now, 'stopping', `${told?.message ?? 'Stopped by its renter.'} Its disk is kept.`);
    await emitEvent(tx, { name: 'RentalStopped', aggregateId: rental.id, ...(order.actorId ? { actorId: order.actorId } : {}), payload: { renter_id: rental.renterId, node_id: rental.nodeId, fault: told?.code ?? null } });
    return { ...(await this.#changed(tx, rental, now)), ...(storedSince ? { storedSince } : {}) };
  }

  async #changed(tx: Tx, rental: Rental, now: Date): Promise<Ended> {
    const touched = await recomputeDeadlines(tx, rental.renterId, now);
    await bumpGeneration(tx, rental.nodeId);
    return { changed: true, nodeId: rental.nodeId, touched };
  }

  async #write(tx: Tx, rental: Rental, order: EndOrder, status: RentalStatus, evidence: Evidence): Promise<void> {
    const { now } = evidence;
    // A stop whose last second is not known yet stays the end of what ran: no second of the disk was billed after it.
    const wanted = dateOfSecond(floorSecond(rental.stopRequestedAt ?? order.wanted));
    const ran = rental.startTime !== null;
    await tx.rental.update({
      where: { id: rental.id },
      data: {
        status, keepDisk: false, phase: null, phaseSince: now, stopRequestedAt: wanted, endReason: order.reason, updatedAt: now, version: { increment: 1 },
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

const isPastDeadline = (rental: Rental, order: StopOrder): boolean => rental.stopRequestedAt === null && rental.deadlineAt !== null && rental.deadlineAt < order.wanted;

/** Whoever comes late to a deadline ends the rental at the deadline, and for its reason. The deadline is that under the lock. */
async function withDeadline(tx: Tx, rental: Rental, order: EndOrder): Promise<EndOrder> {
  if (!isPastDeadline(rental, order) || rental.deadlineAt === null) return order;
  if (order.lost) return { ...order, wanted: rental.deadlineAt };
  const gaps = await tx.rentalGap.findMany({ where: { rentalId: rental.id } });
  const reason = reasonOfDeadline(deadlineBy({ ...rental, gaps }) ?? 'balance');
  return { reason, wanted: rental.deadlineAt, ...(order.endedAtDeadline ? { endedAtDeadline: true } : {}) };
}
