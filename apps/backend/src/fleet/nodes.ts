import { Injectable } from '@nestjs/common';
import { fail, ok, Uuid, type NodeSummary, type NodeView, type Result } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { nodeView, summarise, type Liveness } from './node-view.rules.js';
import { nodeMoney, nodeOfOwner, nodesOfMarket, nodesPage, type NodeRow } from './nodes.store.js';
import { Presence } from './presence.js';
import { reliability } from './reliability.rules.js';
import { reliabilityOf } from './reliability.js';

/** Reads an owner's nodes. */
@Injectable()
export class Nodes {
  constructor(
    private readonly db: Db,
    private readonly presence: Presence,
    private readonly clock: Clock,
  ) {}

  async view(nodeId: string, ownerId: string): Promise<Result<NodeView>> {
    const node = await nodeOfOwner(this.db.client, nodeId, ownerId);
    if (!node) return fail('not_found', { detail: 'You have no such node' });
    const [live, money] = await Promise.all([this.#liveness([node]), nodeMoney(this.db.client, nodeId)]);
    return ok(nodeView(node, live(node), money));
  }

  /** Nodes of an owner; with `null`, of the whole market. `cursor` is the last id of the page before. */
  async page(ownerId: string | null, cursor: string | undefined, limit: number): Promise<Result<{ items: NodeSummary[]; next: string | null }>> {
    if (cursor !== undefined && !Uuid.safeParse(cursor).success) return fail('invalid_request', { errors: [{ path: 'query.cursor', message: 'is not a cursor of this list' }] });
    const rows = ownerId === null ? await nodesOfMarket(this.db.client, cursor, limit) : await nodesPage(this.db.client, ownerId, cursor, limit);
    const shown = rows.slice(0, limit);
    const live = await this.#liveness(shown);
    return ok({ items: shown.map((node) => summarise(node, live(node))), next: rows.length > limit ? (shown.at(-1)?.id ?? null) : null });
  }

  async #liveness(nodes: readonly NodeRow[]): Promise<(node: NodeRow) => Liveness> {
    const ids = nodes.map((node) => node.id);
    const now = this.clock.now();
    const [parts, beats] = await Promise.all([reliabilityOf(this.db.client, ids, now), this.presence.lastBeats(ids)]);
    return (node) => ({ reliability: parts.get(node.id) ?? reliability({ ...node, downMs: 0 }, now), lastBeatAt: beats.get(node.id) });
  }
}
