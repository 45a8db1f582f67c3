import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { NodePush } from '../agents/node-push.js';
import { Outbox } from '../platform/outbox.js';
import { GatePush } from '../tunnels/gate-push.js';

export interface News {
  /** Rentals that should start or stop on this node, by id. */
  start?: string;
  stop?: string;
  /** Its public ports changed. */
  ports?: boolean;
}

/**
 * Tells nodes and gates of a change after its commit, without making anybody wait for them. Losing a message costs time:
 * the desired state goes out again every minute.
 */
@Injectable()
export class NodeNews implements BeforeApplicationShutdown {
  readonly #log = new Logger('NodeNews');
  readonly #underWay = new Set<Promise<void>>();

  constructor(
    private readonly push: NodePush,
    private readonly gate: GatePush,
    private readonly outbox: Outbox,
  ) {}

  tell(nodeId: string, news: News = {}): void {
    this.outbox.wake();
    const sent = this.#send(nodeId, news).catch((error: unknown) => {
      this.#log.warn({ err: error, node_id: nodeId }, 'the node could not be told at once; its next desired state says it');
    });
    this.#underWay.add(sent);
    void sent.finally(() => this.#underWay.delete(sent));
  }

  tellAll(nodeIds: Iterable<string>): void {
    for (const nodeId of nodeIds) this.tell(nodeId);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  async #send(nodeId: string, { start, stop, ports }: News): Promise<void> {
    const toGate = ports ? this.gate.nodeChanged(nodeId) : Promise.resolve();
    const toNode = start ? this.push.start(nodeId, start) : stop ? this.push.stop(nodeId, stop) : this.push.changed(nodeId);
    await Promise.all([toGate, toNode]);
  }
}
