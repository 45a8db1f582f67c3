import { Injectable } from '@nestjs/common';
import { fail, ok, type AckOf, type Heartbeat, type Result } from '@muster/shared-types';
import { Db } from '../platform/db.js';
import { Heartbeats } from './heartbeats.js';

/** The heartbeat of a node that only speaks HTTP. Proves nothing but the owner's key, so instances in it do not count; executions do, where the node has no other way to name them. */
@Injectable()
export class HttpHeartbeat {
  constructor(
    private readonly db: Db,
    private readonly heartbeats: Heartbeats,
  ) {}

  async run(ownerId: string, nodeId: string, heartbeat: Heartbeat): Promise<Result<AckOf<'heartbeat'>>> {
    if (heartbeat.node_id !== nodeId) return fail('invalid_request', { errors: [{ path: 'body.node_id', message: 'differs from the node in the path' }] });
    const node = await this.db.client.hostNode.findFirst({ where: { id: nodeId, ownerId, lifecycle: { not: 'retired' } }, select: { generation: true, transport: true } });
    if (!node) return fail('not_found', { detail: 'This account has no such node' });
    return ok(await this.heartbeats.beat({ heartbeat, generation: node.generation, proven: false, httpOnly: node.transport === 'http', via: 'http' }));
  }
}
