import { Injectable } from '@nestjs/common';
import type { DesiredState } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { MasterKey } from '../platform/master-key.js';
import { instancesOfNode } from '../rentals/instances-of-node.js';
import { ClusterId } from './cluster-id.js';

/** The one document that says what a node should run. */
@Injectable()
export class DesiredStates {
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
    const node = await this.db.client.hostNode.findUnique({ where: { id: nodeId }, select: { generation: true, listing: true, lifecycle: true } });
    if (!node) return undefined;
    return {
      cluster_id: await this.cluster.get(),
      generation: Number(node.generation),
      ...(await instancesOfNode(this.db.client, this.master, nodeId, this.clock.now())),
      draining: node.listing === 'draining' || node.lifecycle === 'retired',
    };
  }
}
