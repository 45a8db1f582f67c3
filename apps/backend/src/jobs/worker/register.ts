import { Injectable } from '@nestjs/common';
import { fail, HTTP_WORKER_BEAT_S, HTTP_WORKER_LEASE_S, HTTP_WORKER_POLL_S, ok, type Inventory, type jobOperations, type OperationInput, type OperationOutput, type Result } from '@muster/shared-types';
import type { HostNode } from '@muster/prisma';
import { refreshStatus } from '../../fleet/for-jobs.js';
import { parseNodeKey } from '../../fleet/node-key.rules.js';
import { Presence } from '../../fleet/presence.js';
import { DEFAULT_PRICING } from '../../fleet/pricing.rules.js';
import { Clock } from '../../platform/clock.js';
import { Db, type Tx } from '../../platform/db.js';
import { newId } from '../../platform/ids.js';
import { emitEvent, Outbox } from '../../platform/outbox.js';
import { withTx } from '../../platform/tx.js';
import { NodeTasks } from '../node-tasks.js';

type Body = OperationInput<typeof jobOperations.registerNode>['body'];
type Registered = OperationOutput<typeof jobOperations.registerNode>;

/** Puts a machine on the books that only speaks HTTP. Its name is its identity with this owner: the same again is the same node. */
@Injectable()
export class RegisterNode {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly presence: Presence,
    private readonly outbox: Outbox,
    private readonly tasks: NodeTasks,
  ) {}

  async run(ownerId: string, body: Body): Promise<Result<Registered>> {
    if (body.public_key !== undefined && !parseNodeKey(body.public_key)) {
      return fail('invalid_request', { errors: [{ path: 'body.public_key', message: 'is not a usable Ed25519 key' }] });
    }
    const registered = await withTx(this.db, (tx) => this.#write(tx, ownerId, body));
    if (!registered.ok) return registered;
    const nodeId = registered.value;
    await this.presence.onBeat(nodeId, this.clock.now(), 'http');
    this.outbox.wake();
    this.tasks.changed(nodeId);
    return ok({ node_id: nodeId, heartbeat_interval_s: HTTP_WORKER_BEAT_S, poll_interval_s: HTTP_WORKER_POLL_S, lease_s: HTTP_WORKER_LEASE_S });
  }

  /** Two registrations of one name at once: the lock lets the second find the first's node. */
  async #write(tx: Tx, ownerId: string, body: Body): Promise<Result<string>> {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended(${`http-node:${ownerId}:${body.name}`}, 0))`;
    const known = await tx.hostNode.findFirst({ where: { ownerId, name: body.name, transport: 'http' } });
    if (known) return await this.#again(tx, known, body);
    if (await keyTaken(tx, body)) return fail('node_key_taken');
    const id = newId();
    const now = this.clock.now();
    await tx.hostNode.create({
      data: {
        id, ownerId, name: body.name, transport: 'http', publicKey: body.public_key ?? null, pricingConfig: DEFAULT_PRICING, lifecycle: 'verified', listing: 'listed',
        presence: 'online', lastHeartbeat: now, registeredAt: now, cpuTotal: body.cpu_cores, ramMbTotal: body.memory_mb, diskGbTotal: body.disk_gb, ...described(body),
      },
    });
    await refreshStatus(tx, [id]);
    await emitEvent(tx, { name: 'AuditEvent', aggregateId: id, actorId: ownerId, payload: { action: 'node.registered', name: body.name, transport: 'http' } });
    return ok(id);
  }

  /** What it says of itself is taken over; never less than what it has in hand, never another key. */
  async #again(tx: Tx, known: HostNode, body: Body): Promise<Result<string>> {
    if (known.lifecycle === 'retired') return fail('action_not_allowed', { detail: 'The node of this name was retired; register it under another one' });
    if (body.public_key !== undefined && known.publicKey !== null && known.publicKey !== body.public_key) return fail('node_key_taken', { detail: 'The node of this name has another key' });
    if (known.publicKey === null && (await keyTaken(tx, body))) return fail('node_key_taken');
    await tx.$executeRaw`
      UPDATE "HostNode" SET "cpuTotal" = greatest("cpuUsed", ${body.cpu_cores}::int), "ramMbTotal" = greatest("ramMbUsed", ${body.memory_mb}::int),
        "diskGbTotal" = greatest("diskGbUsed", ${body.disk_gb}::int) WHERE id = ${known.id}::uuid`;
    await tx.hostNode.update({ where: { id: known.id }, data: { publicKey: known.publicKey ?? body.public_key ?? null, ...described(body) } });
    return ok(known.id);
  }
}

async function keyTaken(tx: Tx, { public_key: key }: Body): Promise<boolean> {
  return key !== undefined && (await tx.hostNode.count({ where: { publicKey: key } })) > 0;
}

function described(body: Body) {
  return {
    specs: inventoryOf(body),
    ...(body.region === undefined ? {} : { region: body.region }),
    ...(body.geolocation === undefined ? {} : { locationData: { country: body.geolocation } }),
  };
}

const IMAGE = 'image:';

/** An inventory in the form that agents send; what only an agent can know is left empty. */
function inventoryOf(body: Body): Inventory {
  return {
    hostname: body.name, os: 'unknown', kernel: '', arch: '', boot_id: '', cpu_name: body.cpu_name, cpu_cores: body.cpu_cores, cpu_ram_mb: body.memory_mb, disk_gb: body.disk_gb,
    gpus: [], driver_version: null, cuda_max_good: null, docker: null, isolation: 'basic', preflight: [], agent_version: 'http',
    images: body.capabilities.filter((word) => word.startsWith(IMAGE)).map((word) => word.slice(IMAGE.length)),
    capabilities: body.capabilities.filter((word) => !word.startsWith(IMAGE)),
  };
}
