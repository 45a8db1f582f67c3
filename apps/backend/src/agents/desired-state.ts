import { Injectable } from '@nestjs/common';
import type { DesiredState } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Gather } from '../platform/gather.js';
import { MasterKey } from '../platform/master-key.js';
import { instancesOfNodes, type InstancesOfNode } from '../rentals/instances-of-node.js';
import { ClusterId } from './cluster-id.js';

const NOTHING: InstancesOfNode = { instances: [], absent: [] };

/** The one document that says what a node should run. */
@Injectable()
export class DesiredStates {
  readonly #gather = new Gather<string, DesiredState | null>((ids) => this.#read(ids));

  constructor(
    private readonly db: Db,
    private readonly cluster: ClusterId,
    private readonly master: MasterKey,
    private readonly clock: Clock,
  ) {}

  /**
   * Undefined when there is no such node. The generation is read before the instances: a change that falls between the
   * two reads is then in a document of the older generation, and the one of its own generation follows.
   */
  async of(nodeId: string): Promise<DesiredState | undefined> {
    return (await this.#gather.get(nodeId)) ?? undefined;
  }

  async #read(ids: readonly string[]): Promise<(DesiredState | null)[]> {
    const unique = [...new Set(ids)];
    const cluster_id = await this.cluster.get();
    const nodes = await this.db.client.hostNode.findMany({ where: { id: { in: unique } }, select: { id: true, generation: true, listing: true, lifecycle: true } });
    const instances = await instancesOfNodes(this.db.client, this.master, unique, this.clock.now());
    const states = new Map<string, DesiredState>();
    for (const { id, generation, listing, lifecycle } of nodes) {
      const draining = listing === 'draining' || lifecycle === 'retired';
      states.set(id, { cluster_id, generation: Number(generation), ...(instances.get(id) ?? NOTHING), draining });
    }
    return ids.map((id) => states.get(id) ?? null);
  }
}
