import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { fail, ok, type MaintenanceView, type Result } from '@muster/shared-types';
import type { NodeMaintenance } from '@muster/prisma';
import { Config } from '../config.js';
import { refreshStatus } from '../fleet/for-jobs.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { Singletons } from '../platform/leases.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import { withTx } from '../platform/tx.js';
import { maintenanceView, refusePlan, type Plan } from './maintenance.rules.js';
import { allOf, dueNodes, lockNode, openOf, setListing, type LockedNode } from './maintenance.store.js';

const PASS_EVERY_MS = 5_000;

/**
 * Times in which a host works on a machine. Planned, it changes nothing; from its first moment the node takes nothing new; at its
 * end the node is listed again if it was before. What the host orders in between (list, unlist, drain, retire) stands.
 */
@Injectable()
export class Maintenance implements OnApplicationBootstrap {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
    private readonly singletons: Singletons,
    private readonly config: Config,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.has('scheduler')) this.singletons.every({ name: 'maintenance', everyMs: PASS_EVERY_MS, run: () => this.pass() });
  }

  /** Plans it, or moves what is planned; one that has begun keeps its beginning. */
  async plan(ownerId: string, nodeId: string, wish: { from?: string | undefined; until: string; reason: string }): Promise<Result<MaintenanceView>> {
    const now = this.clock.now();
    const plan: Plan = { from: wish.from === undefined ? now : new Date(Math.max(now.getTime(), Date.parse(wish.from))), until: new Date(wish.until) };
    const refused = refusePlan(plan, now);
    if (refused) return fail('invalid_request', { detail: 'See errors', errors: [refused] });
    const planned = await withTx(this.db, (tx) => this.#plan(tx, ownerId, nodeId, { ...plan, reason: wish.reason.trim() }, now));
    if (planned.ok) this.outbox.wake();
    return planned;
  }

  async ofNode(ownerId: string, nodeId: string): Promise<Result<{ items: MaintenanceView[] }>> {
    const own = await this.db.client.hostNode.count({ where: { id: nodeId, ownerId } });
    return own === 1 ? ok({ items: (await allOf(this.db.client, nodeId)).map(maintenanceView) }) : noSuchNode();
  }

  /** Calls it off, or ends it now. False when there was none. */
  async cancel(ownerId: string, nodeId: string): Promise<Result<{ cancelled: boolean }>> {
    const now = this.clock.now();
    const done = await withTx(this.db, async (tx) => {
      const node = await lockNode(tx, nodeId, ownerId);
      if (!node) return noSuchNode();
      const open = await openOf(tx, nodeId);
      if (!open) return ok({ cancelled: false });
      await this.#close(tx, node, open, open.startedAt ? { endedAt: now } : { cancelledAt: now });
      await emitEvent(tx, { name: 'AuditEvent', aggregateId: nodeId, actorId: ownerId, payload: { action: open.startedAt ? 'node.maintenance_ended' : 'node.maintenance_cancelled' } });
      return ok({ cancelled: true });
    });
    if (done.ok) this.outbox.wake();
    return done;
  }

  /** Begins and ends what is due. */
  async pass(): Promise<void> {
    const now = this.clock.now();
    for (const nodeId of await dueNodes(this.db.client, now)) await withTx(this.db, (tx) => this.#due(tx, nodeId, now));
  }

  async #plan(tx: Tx, ownerId: string, nodeId: string, plan: Plan & { reason: string }, now: Date): Promise<Result<MaintenanceView>> {
    const node = await lockNode(tx, nodeId, ownerId);
    if (!node) return noSuchNode();
    if (node.lifecycle === 'retired') return fail('action_not_allowed', { detail: 'This node was retired' });
    const open = await openOf(tx, nodeId);
    const data = { fromAt: open?.startedAt ? open.fromAt : plan.from, toAt: plan.until, reason: plan.reason };
    const row = open ? await tx.nodeMaintenance.update({ where: { id: open.id }, data }) : await tx.nodeMaintenance.create({ data: { id: newId(), nodeId, createdAt: now, ...data } });
    await emitEvent(tx, { name: 'AuditEvent', aggregateId: nodeId, actorId: ownerId, payload: { action: 'node.maintenance_planned', from: row.fromAt.toISOString(), until: row.toAt.toISOString(), reason: row.reason } });
    return ok(maintenanceView(row.startedAt === null && row.fromAt <= now ? await this.#begin(tx, node, row, now) : row));
  }

  async #due(tx: Tx, nodeId: string, now: Date): Promise<void> {
    const node = await lockNode(tx, nodeId, null);
    const open = await openOf(tx, nodeId);
    if (!node || !open) return;
    if (open.toAt <= now) await this.#close(tx, node, open, { endedAt: now });
    else if (open.startedAt === null && open.fromAt <= now) await this.#begin(tx, node, open, now);
  }

  async #begin(tx: Tx, node: LockedNode, row: NodeMaintenance, now: Date): Promise<NodeMaintenance> {
    const moves = node.lifecycle !== 'retired' && (node.listing === 'listed' || node.listing === 'unlisted');
    if (moves) {
      await setListing(tx, node.id, 'maintenance');
      await refreshStatus(tx, [node.id]);
    }
    return await tx.nodeMaintenance.update({ where: { id: row.id }, data: { startedAt: now, wasListed: node.listing === 'listed' } });
  }

  async #close(tx: Tx, node: LockedNode, row: NodeMaintenance, data: { endedAt: Date } | { cancelledAt: Date }): Promise<void> {
    await tx.nodeMaintenance.update({ where: { id: row.id }, data });
    if (node.listing !== 'maintenance' || node.lifecycle === 'retired') return;
    await setListing(tx, node.id, row.wasListed ? 'listed' : 'unlisted');
    await refreshStatus(tx, [node.id]);
  }
}

const noSuchNode = (): ReturnType<typeof fail> => fail('not_found', { detail: 'You have no such node' });
