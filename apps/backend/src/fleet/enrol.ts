import { Injectable } from '@nestjs/common';
import { enrolStatement, fail, LEASE_S, ok, type EnrolResult, type fleetOperations, type OperationInput, type Result } from '@muster/shared-types';
import type { Prisma, TunnelServer } from '@muster/prisma';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { applyInventory } from './apply-inventory.js';
import { EnrolNonces } from './enrol-nonce.js';
import { provesKey } from './node-key.rules.js';
import { AWAY_KEY } from './presence.keys.js';
import { DEFAULT_PRICING } from './pricing.rules.js';

type Request = OperationInput<typeof fleetOperations.enrolNode>['body'];

/** Puts a machine on the books under its own key. The same key of the same owner is the same node, for ever. */
@Injectable()
export class Enrol {
  constructor(
    private readonly db: Db,
    private readonly redis: Redis,
    private readonly nonces: EnrolNonces,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  async run(ownerId: string, request: Request): Promise<Result<EnrolResult>> {
    if (!(await this.nonces.use(request.nonce, ownerId))) return fail('nonce_used');
    if (!provesKey(request.public_key, enrolStatement(request.nonce, request.public_key), request.signature)) return fail('bad_signature');
    const enrolled = await withTx(this.db, (tx) => this.write(tx, ownerId, request));
    if (!enrolled.ok) return enrolled;
    // Its first heartbeat finds it here and brings it online.
    await this.redis.client.sadd(AWAY_KEY, enrolled.value.node_id);
    this.outbox.wake();
    return enrolled;
  }

  private async write(tx: Tx, ownerId: string, request: Request): Promise<Result<EnrolResult>> {
    const control = await tx.controlPlane.findUnique({ where: { id: 1 } });
    const server = await leastUsedServer(tx);
    if (!control || !server) return fail('unavailable', { detail: 'This market has no tunnel server yet' });
    const node = await this.findOrCreate(tx, ownerId, request, server);
    if (!node.ok) return node;
    await applyInventory(tx, node.value.id, request.inventory);
    await emitEvent(tx, { name: 'AuditEvent', aggregateId: node.value.id, actorId: ownerId, payload: { action: 'node.enrolled', name: node.value.name } });
    const { tunnel } = node.value;
    return ok({
      node_id: node.value.id,
      cluster_id: control.clusterId,
      name: node.value.name,
      tunnel: { host: tunnel.publicHost, port: tunnel.frpsPort, ca_pem: tunnel.caPem },
      lease_s: LEASE_S,
    });
  }

  /** Two enrolments of one new key at once: the unique key lets one insert, the other then finds it. */
  private async findOrCreate(tx: Tx, ownerId: string, request: Request, server: TunnelServer): Promise<Result<{ id: string; name: string; tunnel: TunnelServer }>> {
    await tx.hostNode.createMany({ data: [this.newNode(ownerId, request, server.id)], skipDuplicates: true });
    const node = await tx.hostNode.findUniqueOrThrow({ where: { publicKey: request.public_key }, include: { tunnelServer: true } });
    if (node.ownerId !== ownerId) return fail('node_key_taken');
    if (node.lifecycle === 'retired') return fail('action_not_allowed', { detail: 'This node was retired; a machine comes back with a new key' });
    const data = {
      ...(request.name === undefined ? {} : { name: request.name }),
      ...(request.region === undefined ? {} : { region: request.region }),
      ...(request.geolocation === undefined ? {} : { locationData: { country: request.geolocation } }),
      ...(node.tunnelServerId === null ? { tunnelServerId: server.id } : {}),
    };
    if (Object.keys(data).length > 0) await tx.hostNode.update({ where: { id: node.id }, data });
    await tx.$executeRaw`
      INSERT INTO "NodeDowntime" (id, "nodeId", "fromAt") SELECT ${newId()}::uuid, ${node.id}::uuid, ${node.registeredAt}
      WHERE NOT EXISTS (SELECT 1 FROM "NodeDowntime" WHERE "nodeId" = ${node.id}::uuid)`;
    return ok({ id: node.id, name: request.name ?? node.name, tunnel: node.tunnelServer ?? server });
  }

  private newNode(ownerId: string, request: Request, tunnelServerId: string): Prisma.HostNodeCreateManyInput {
    return {
      id: newId(),
      ownerId,
      name: request.name ?? (request.inventory.hostname || 'node'),
      publicKey: request.public_key,
      specs: {},
      pricingConfig: DEFAULT_PRICING,
      tunnelServerId,
      lifecycle: 'pending_verification',
      // Its owner's wish; offers need a verified node besides.
      listing: request.list ? 'listed' : 'unlisted',
      registeredAt: this.clock.now(),
      cpuTotal: 0,
      ramMbTotal: 0,
      diskGbTotal: 0,
    };
  }
}

/** The tunnel server with the fewest nodes that are not retired. */
async function leastUsedServer(tx: Tx): Promise<TunnelServer | undefined> {
  const servers = await tx.tunnelServer.findMany({ include: { _count: { select: { nodes: { where: { lifecycle: { not: 'retired' } } } } } }, orderBy: { createdAt: 'asc' } });
  return servers.toSorted((a, b) => a._count.nodes - b._count.nodes)[0];
}
