import { Injectable } from '@nestjs/common';
import { fail, ok, type Result } from '@muster/shared-types';
import { NodePush } from '../agents/node-push.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import { withTx } from '../platform/tx.js';
import { EndRental } from '../rentals/end.js';
import { GatePush } from '../tunnels/gate-push.js';
import { bumpGeneration } from './generation.js';
import { notFound } from './manage.js';
import { lockNodeOfOwner, nodeMoney } from './nodes.store.js';

/** A node leaves the market for good. Its key never enrols again. */
@Injectable()
export class RetireNode {
  constructor(
    private readonly db: Db,
    private readonly push: NodePush,
    private readonly gate: GatePush,
    private readonly endRental: EndRental,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  /** With live rentals only `force` goes on; they end as `host_retired`. Retiring again finishes what was cut short. */
  async run(nodeId: string, ownerId: string, force: boolean): Promise<Result<void>> {
    const retired = await withTx(this.db, (tx) => this.#retire(tx, nodeId, ownerId, force));
    if (!retired.ok) return retired;
    this.outbox.wake();
    // Its tunnels end first: the gate admits nothing more while its rentals are ended one by one.
    await this.gate.nodeChanged(nodeId);
    if (force) await this.endRental.endRentalsOfNode(nodeId, 'host_retired', ownerId);
    await this.push.changed(nodeId);
    return ok(undefined);
  }

  async #retire(tx: Tx, nodeId: string, ownerId: string, force: boolean): Promise<Result<void>> {
    const node = await lockNodeOfOwner(tx, nodeId, ownerId);
    if (!node) return notFound();
    if (node.lifecycle === 'retired') return ok(undefined);
    const { activeRentals } = await nodeMoney(tx, nodeId);
    if (activeRentals > 0 && !force) {
      return fail('action_not_allowed', {
        detail: `${activeRentals} rental(s) run on this node or keep their disk there`,
        hint: 'Drain it and wait, or retire it with force: its rentals then end now and are billed to this second',
        facts: { active_rentals: String(activeRentals) },
      });
    }
    await tx.hostNode.update({ where: { id: nodeId }, data: { lifecycle: 'retired', listing: 'unlisted', retiredAt: this.clock.now() } });
    await bumpGeneration(tx, nodeId);
    await emitEvent(tx, { name: 'AuditEvent', aggregateId: nodeId, actorId: ownerId, payload: { action: 'node.retired', force } });
    return ok(undefined);
  }
}
