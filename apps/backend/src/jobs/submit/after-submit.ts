import { Injectable } from '@nestjs/common';
import { NodePush } from '../../agents/node-push.js';
import { Outbox } from '../../platform/outbox.js';
import { SchedulerWake } from '../schedule/wake.js';

/** What goes out once a job is committed. */
@Injectable()
export class AfterSubmit {
  constructor(
    private readonly wake: SchedulerWake,
    private readonly outbox: Outbox,
    private readonly push: NodePush,
  ) {}

  /** `nodes`: those whose rentals now end at another time. */
  async run(nodes: readonly string[]): Promise<void> {
    this.wake.wake();
    this.outbox.wake();
    await Promise.all(nodes.map((nodeId) => this.push.changed(nodeId)));
  }
}
