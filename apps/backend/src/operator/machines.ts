import { Injectable } from '@nestjs/common';
import { fail, ok, type NodeStatus, type OperatorNode, type Result } from '@muster/shared-types';
import { Prisma } from '@muster/prisma';
import { refreshStatus } from '../fleet/for-jobs.js';
import { inventoryOf, summarise } from '../fleet/node-view.rules.js';
import { lifecycleAfterPreflight, LIFECYCLE_NEXT } from '../fleet/node.rules.js';
import { failedChecks } from '../fleet/preflight.rules.js';
import { reliabilityOf } from '../fleet/reliability.js';
import { reliability } from '../fleet/reliability.rules.js';
import { Clock } from '../platform/clock.js';
import { readCursor, type Page } from '../platform/cursor.js';
import { Db, type Tx } from '../platform/db.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import { withTx } from '../platform/tx.js';
import { isUuid, pageOf } from './people.store.js';

const include = {
  gpus: { orderBy: { index: 'asc' } },
  owner: { select: { email: true } },
  _count: { select: { rentals: { where: { status: { in: ['pending', 'starting', 'running', 'stopping', 'stopped'] } } } } },
} satisfies Prisma.HostNodeInclude;
type Row = Prisma.HostNodeGetPayload<{ include: typeof include }>;

export interface NodesQuery {
  cursor?: string | undefined;
  limit: number;
  q?: string | undefined;
  status?: NodeStatus | undefined;
}

/** Machines of everybody, for the operator of the market. */
@Injectable()
export class Machines {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
  ) {}

  async page({ cursor, limit, q, status }: NodesQuery): Promise<Page<OperatorNode>> {
    const after = readCursor(cursor);
    const named: Prisma.HostNodeWhereInput = q === undefined ? {} : isUuid(q) ? { OR: [{ id: q }, { ownerId: q }] } : { OR: [{ name: { contains: q, mode: 'insensitive' } }, { owner: { email: { contains: q.toLowerCase() } } }] };
    const behind: Prisma.HostNodeWhereInput = after ? { OR: [{ registeredAt: { lt: after[0] } }, { registeredAt: after[0], id: { lt: after[1] } }] } : {};
    const where = { AND: [named, behind, status === undefined ? {} : { status }] };
    const rows = await this.db.client.hostNode.findMany({ where, include, orderBy: [{ registeredAt: 'desc' }, { id: 'desc' }], take: limit + 1 });
    const view = await this.#viewer(rows);
    return pageOf(rows, limit, view, (row) => [row.registeredAt.toISOString(), row.id]);
  }

  /** Nothing new is placed on it; what runs goes on. Again changes nothing. */
  async quarantine(nodeId: string, actorId: string, reason: string): Promise<Result<OperatorNode>> {
    return await this.#move(nodeId, async (tx, node) => {
      // What a finding took off the market and would give back is the operator's from now on.
      await tx.nodeFinding.updateMany({ where: { nodeId, delisted: true, clearedAt: null }, data: { delisted: false } });
      if (node.lifecycle === 'quarantined') return ok(undefined);
      if (!LIFECYCLE_NEXT[node.lifecycle].includes('quarantined')) return fail('action_not_allowed', { detail: `The node is ${node.lifecycle}` });
      await tx.hostNode.update({ where: { id: nodeId }, data: { lifecycle: 'quarantined' } });
      await emitEvent(tx, { name: 'AuditEvent', aggregateId: nodeId, actorId, payload: { action: 'node.quarantined', reason } });
      return ok(undefined);
    });
  }

  /** Back to where its newest preflight puts it. */
  async release(nodeId: string, actorId: string): Promise<Result<OperatorNode>> {
    return await this.#move(nodeId, async (tx, node) => {
      if (node.lifecycle !== 'quarantined') return fail('action_not_allowed', { detail: `The node is ${node.lifecycle}, not quarantined` });
      const lifecycle = lifecycleAfterPreflight('pending_verification', failedChecks(inventoryOf(node.specs)).length === 0);
      await tx.hostNode.update({ where: { id: nodeId }, data: { lifecycle } });
      await emitEvent(tx, { name: 'AuditEvent', aggregateId: nodeId, actorId, payload: { action: 'node.released' } });
      return ok(undefined);
    });
  }

  async #move(nodeId: string, work: (tx: Tx, node: Row) => Promise<Result<void>>): Promise<Result<OperatorNode>> {
    const moved = await withTx(this.db, async (tx) => {
      await tx.$executeRaw`SELECT 1 FROM "HostNode" WHERE id = ${nodeId}::uuid FOR NO KEY UPDATE`;
      const node = await tx.hostNode.findUnique({ where: { id: nodeId }, include });
      if (!node) return fail('not_found', { detail: 'There is no such node' });
      const done = await work(tx, node);
      if (done.ok) await refreshStatus(tx, [nodeId]);
      return done;
    });
    if (!moved.ok) return moved;
    this.outbox.wake();
    const row = await this.db.client.hostNode.findUniqueOrThrow({ where: { id: nodeId }, include });
    return ok((await this.#viewer([row]))(row));
  }

  async #viewer(rows: readonly Row[]): Promise<(row: Row) => OperatorNode> {
    const now = this.clock.now();
    const parts = await reliabilityOf(this.db.client, rows.map(({ id }) => id), now);
    return (row) => ({
      ...summarise(row, { reliability: parts.get(row.id) ?? reliability({ ...row, downMs: 0 }, now), lastBeatAt: undefined }),
      owner_id: row.ownerId,
      owner_email: row.owner.email,
      live_rentals: row._count.rentals,
    });
  }
}
