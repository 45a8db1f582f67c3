import { Injectable } from '@nestjs/common';
import type { NodeLifecycle } from '@muster/shared-types';
import { Db } from '../platform/db.js';
import { Gather } from '../platform/gather.js';
import { withTx } from '../platform/tx.js';

export interface NodeKeyRow {
  ownerId: string;
  publicKey: string | null;
  lifecycle: NodeLifecycle;
}

/** What a connecting node needs of Postgres, many nodes at a time: after a restart all of them dial at once. */
@Injectable()
export class Connects {
  readonly #keys = new Gather<string, NodeKeyRow | null>((ids) => this.#readKeys(ids));
  readonly #next = new Gather<string, bigint>((ids) => this.#raise(ids));
  readonly #newest = new Gather<string, bigint>((ids) => this.#readEpochs(ids));

  constructor(private readonly db: Db) {}

  /** Null when there is no such node. */
  key(nodeId: string): Promise<NodeKeyRow | null> {
    return this.#keys.get(nodeId);
  }

  /** An epoch that no other connect of this node has got. */
  nextEpoch(nodeId: string): Promise<bigint> {
    return this.#next.get(nodeId);
  }

  /** The greatest epoch that any connect of this node has got by now; 0 when there is no such node. */
  newestEpoch(nodeId: string): Promise<bigint> {
    return this.#newest.get(nodeId);
  }

  async #readKeys(ids: readonly string[]): Promise<(NodeKeyRow | null)[]> {
    const rows = await this.db.client.hostNode.findMany({ where: { id: { in: [...new Set(ids)] } }, select: { id: true, ownerId: true, publicKey: true, lifecycle: true } });
    const byId = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id) ?? null);
  }

  /** A node that connects twice in one round gets two epochs. Rows are locked in order, as by everything that takes many nodes. */
  async #raise(ids: readonly string[]): Promise<bigint[]> {
    const rows = await withTx(this.db, (tx) => tx.$queryRaw<{ id: string; epoch: bigint }[]>`
      WITH wanted AS (SELECT id, count(*) AS times FROM unnest(${[...ids]}::uuid[]) AS u(id) GROUP BY id),
           locked AS (SELECT n.id, w.times FROM "HostNode" n JOIN wanted w ON w.id = n.id ORDER BY n.id FOR NO KEY UPDATE OF n)
      UPDATE "HostNode" n SET "connectionEpoch" = n."connectionEpoch" + l.times FROM locked l WHERE n.id = l.id
      RETURNING n.id, n."connectionEpoch" AS epoch`);
    const left = new Map(rows.map((row) => [row.id, row.epoch]));
    return ids.map((id) => {
      const epoch = left.get(id) ?? 0n;
      left.set(id, epoch - 1n);
      return epoch;
    });
  }

  async #readEpochs(ids: readonly string[]): Promise<bigint[]> {
    const rows = await this.db.client.hostNode.findMany({ where: { id: { in: [...new Set(ids)] } }, select: { id: true, connectionEpoch: true } });
    const byId = new Map(rows.map((row) => [row.id, row.connectionEpoch]));
    return ids.map((id) => byId.get(id) ?? 0n);
  }
}
