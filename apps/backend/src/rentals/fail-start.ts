import { Injectable } from '@nestjs/common';
import { bumpGeneration } from '../fleet/generation.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { emitEvent } from '../platform/outbox.js';
import { withTx } from '../platform/tx.js';
import { lockNode } from './claim.store.js';
import { countsAgainstHost, type Fault } from './end.rules.js';
import { NodeNews } from './node-news.js';
import { noteEvent } from './rental-events.js';
import { statusesFor } from './rental.rules.js';

/** A start that did not work: free, with a reason in words, and the node is told to remove what there is. A disk that was kept stays. */
@Injectable()
export class FailStart {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly news: NodeNews,
  ) {}

  /** False when the rental is past starting. Repeating it changes nothing. */
  async run(rental: { id: string; nodeId: string }, fault: Fault): Promise<boolean> {
    const failed = await withTx(this.db, (tx) => this.#fail(tx, rental, fault));
    if (failed) this.news.tell(rental.nodeId, { stop: rental.id });
    return failed;
  }

  async #fail(tx: Tx, { id, nodeId }: { id: string; nodeId: string }, fault: Fault): Promise<boolean> {
    const now = this.clock.now();
    await lockNode(tx, nodeId);
    if (await this.#stopAgain(tx, id, nodeId, fault, now)) return true;
    const { count } = await tx.rental.updateMany({
      where: { id, startTime: null, status: { in: statusesFor('fail') } },
      data: {
        status: 'failed', endReason: 'start_failed', endTime: now, faultCode: fault.code, faultMessage: fault.message, phase: null,
        phaseSince: now, updatedAt: now, version: { increment: 1 },
      },
    });
    if (count === 0) return false;
    await this.#holdAgainst(tx, nodeId, fault);
    await bumpGeneration(tx, nodeId);
    await noteEvent(tx, id, now, 'failed', `${fault.message} Nothing was charged.`.replace(/(Nothing was charged\.) Nothing was charged\.$/, '$1'));
    const { renterId } = await tx.rental.findUniqueOrThrow({ where: { id }, select: { renterId: true } });
    await emitEvent(tx, { name: 'RentalEnded', aggregateId: id, payload: { renter_id: renterId, node_id: nodeId, reason: 'start_failed', ran: false, fault: fault.code } });
    return true;
  }

  /** One that was stopped before and does not start again is stopped again: its disk stays, and costs what it cost all the time. */
  async #stopAgain(tx: Tx, id: string, nodeId: string, fault: Fault, now: Date): Promise<boolean> {
    const message = `It could not be started again and stays stopped, its disk is kept. ${fault.message.replace(NOTHING_CHARGED, '')}`.trim();
    const { count } = await tx.rental.updateMany({
      where: { id, status: 'starting', storedSince: { not: null } },
      data: { status: 'stopping', keepDisk: true, phase: null, phaseSince: now, faultCode: fault.code, faultMessage: message, updatedAt: now, version: { increment: 1 } },
    });
    if (count === 0) return false;
    await this.#holdAgainst(tx, nodeId, fault);
    await bumpGeneration(tx, nodeId);
    await noteEvent(tx, id, now, 'stopping', message);
    return true;
  }

  async #holdAgainst(tx: Tx, nodeId: string, fault: Fault): Promise<void> {
    if (countsAgainstHost(fault.code)) await tx.hostNode.update({ where: { id: nodeId }, data: { startsFailed: { increment: 1 } } });
  }
}

/** Words of a first start. */
const NOTHING_CHARGED = / ?Nothing was charged[^.]*\./g;
