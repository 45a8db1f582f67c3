import { Injectable } from '@nestjs/common';
import { fail, HTTP_WORKER_LEASE_S, ok, type ExecutionSpec, type Result } from '@muster/shared-types';
import { Presence } from '../../fleet/presence.js';
import { Clock } from '../../platform/clock.js';
import { Db } from '../../platform/db.js';
import { DispatchTasks } from '../schedule/dispatch.js';
import { LeaseToOne } from '../schedule/lease-to-one.js';
import { ExecutionBeats } from '../schedule/beats.js';

/** A node that only speaks HTTP asks for work. Asking also says that it is alive. */
@Injectable()
export class TakeWork {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly presence: Presence,
    private readonly lease: LeaseToOne,
    private readonly dispatch: DispatchTasks,
    private readonly beats: ExecutionBeats,
  ) {}

  /**
   * What is leased to it already and it does not name in its heartbeats comes first, since its answer may have been lost;
   * then new work, up to `limit` in all.
   */
  async run(ownerId: string, nodeId: string, limit: number): Promise<Result<{ items: ExecutionSpec[] }>> {
    const node = await this.db.client.hostNode.findFirst({ where: { id: nodeId, ownerId }, select: { transport: true, lifecycle: true } });
    if (!node) return fail('not_found', { detail: 'This account has no such node' });
    if (node.transport !== 'http') return fail('action_not_allowed', { detail: 'This node has an agent; its work comes over its socket' });
    if (node.lifecycle !== 'verified') return fail('action_not_allowed', { detail: `The node is ${node.lifecycle}` });
    await this.presence.onBeat(nodeId, this.clock.now(), 'http');
    const again = await this.#forgotten(nodeId, limit);
    const fresh = again.length < limit ? await this.lease.run(nodeId, limit - again.length) : [];
    const specs = await this.dispatch.specsOf([...again, ...fresh], HTTP_WORKER_LEASE_S);
    return ok({ items: [...specs.values()] });
  }

  async #forgotten(nodeId: string, limit: number): ReturnType<DispatchTasks['leasedTo']> {
    const leased = await this.dispatch.leasedTo(nodeId);
    if (leased.length === 0) return [];
    const named = (await this.beats.of([nodeId])).get(nodeId)?.named;
    return leased.filter((row) => !named?.has(`${row.id} ${row.attempt}`)).slice(0, limit);
  }
}
