import { Injectable } from '@nestjs/common';
import { fail, formatUsd, ok, type RentalView, type Result } from '@muster/shared-types';
import type { Rental } from '@muster/prisma';
import { bumpGeneration } from '../fleet/generation.js';
import { lockUsers } from '../ledger/for-rentals.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { MasterKey } from '../platform/master-key.js';
import { emitEvent } from '../platform/outbox.js';
import type { SaveAnswer } from '../platform/request-state.js';
import { withTx } from '../platform/tx.js';
import { affords } from './affords.js';
import { claimGpus, lockNode, takeCapacity, type ClaimedGpu } from './claim.store.js';
import { NodeNews } from './node-news.js';
import { noteEvent } from './rental-events.js';
import { openSecrets } from './rental-secrets.js';
import { RentalConnection, RentalSpec, specHash } from './rental-spec.js';
import { nextStatus } from './rental.rules.js';
import { rentalView } from './rental.view.js';
import { rentalOf } from './rentals.store.js';
import { freeAt, shortagesOf, shortageWords, type Holder } from './start.rules.js';
import { notYours } from './views.js';

export interface StartCall {
  userId: string;
  rentalId: string;
  saveAnswer: SaveAnswer;
}

/**
 * Starts a stopped rental again, on its machine, on its disk, under its public ports and at its price: devices, CPU and RAM
 * in one transaction, or nothing at all. The devices may be others of the same model. Locks renter, node, rental, like a rent.
 */
@Injectable()
export class StartRental {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly master: MasterKey,
    private readonly news: NodeNews,
  ) {}

  async run(call: StartCall): Promise<Result<RentalView>> {
    const started = await withTx(this.db, (tx) => this.#start(tx, call));
    if (started.ok) this.news.tell(started.value.node_id, { start: call.rentalId, ports: true });
    return started;
  }

  async #start(tx: Tx, { userId, rentalId, saveAnswer }: StartCall): Promise<Result<RentalView>> {
    const now = this.clock.now();
    await lockUsers(tx, [userId]);
    const found = await rentalOf(tx, userId, rentalId);
    if (!found) return notYours();
    const room = await this.#room(tx, found.id, found.nodeId);
    if (!room.ok) return room;
    const affordable = await affords(tx, userId, { rateMicroHour: room.value.rateMicroHour, newDiskMicroHour: 0n }, now);
    if (!affordable.ok) return affordable;
    await this.#claim(tx, room.value, now);
    const rental = await rentalOf(tx, userId, rentalId);
    if (!rental) throw new Error('the rental just started is not there');
    const view = rentalView(rental, { now, secrets: null, progress: null });
    await saveAnswer(tx, view);
    return ok(view);
  }

  /** The rental under the lock of its node, when there is room for it. */
  async #room(tx: Tx, rentalId: string, nodeId: string): Promise<Result<Rental>> {
    const node = await lockNode(tx, nodeId);
    const rental = await tx.rental.findUniqueOrThrow({ where: { id: rentalId } });
    if (nextStatus(rental.status, 'start') === null) return fail('action_not_allowed', { detail: `The rental is ${rental.status}; only one that is stopped can be started` });
    const ready = await hostReady(tx, nodeId);
    if (!ready.ok) return ready;
    if (!node) throw new Error('a rental without its node');
    const needed = { ...rental, gpuName: RentalSpec.parse(rental.spec).gpu_name };
    const shortages = shortagesOf(needed, node.capacity);
    if (shortages.length === 0) return ok(rental);
    const at = freeAt(shortages, needed, await holdersOn(tx, nodeId));
    return fail('no_capacity', {
      detail: `Others use its machine now: ${shortageWords(shortages)}. Its disk is kept.`,
      hint: at ? `There is room at ${at.toISOString()} if nobody extends and nobody else comes. Or destroy it and rent elsewhere` : 'Try again later, or destroy it and rent elsewhere',
      facts: { ...Object.fromEntries(shortages.flatMap((one) => [[`${one.what}_needed`, String(one.needed)], [`${one.what}_free`, String(one.free)]])), ...(at ? { free_at: at.toISOString() } : {}) },
    });
  }

  async #claim(tx: Tx, rental: Rental, now: Date): Promise<void> {
    const before = RentalSpec.parse(rental.spec);
    const gpus = before.gpu_name === null ? [] : await claimGpus(tx, { nodeId: rental.nodeId, rentalId: rental.id, gpuName: before.gpu_name, count: rental.numGpus });
    if (!gpus) throw new Error('devices that were counted under the lock of their node are gone');
    await takeCapacity(tx, rental.nodeId, { ...rental, diskGb: 0 });
    const spec = { ...before, ...devicesOf(gpus) };
    const hash = this.#hash(rental, spec);
    await tx.rental.update({
      where: { id: rental.id },
      data: {
        status: 'starting', phase: 'queued', phaseSince: now, phaseMs: {}, restartedAt: now, parkedAt: null, keepDisk: false, epoch: { increment: 1 }, version: { increment: 1 },
        faultCode: null, faultMessage: null, spec, specHash: hash, updatedAt: now,
      },
    });
    await bumpGeneration(tx, rental.nodeId);
    await noteEvent(tx, rental.id, now, 'started', `Started again for $${formatUsd(rental.rateMicroHour)} an hour. Until it can be reached only its disk is charged.`);
    await emitEvent(tx, { name: 'AuditEvent', aggregateId: rental.id, actorId: rental.renterId, payload: { action: 'rental.started', node_id: rental.nodeId } });
  }

  #hash({ image, cpuCores, ramMb, diskGb, connectionInfo, sealedSecrets }: Rental, spec: RentalSpec): string {
    return specHash({ image, cpuCores, ramMb, diskGb, spec, connection: RentalConnection.parse(connectionInfo), secrets: openSecrets(this.master, sealedSecrets) });
  }
}

const devicesOf = (gpus: readonly ClaimedGpu[]): Pick<RentalSpec, 'gpu_uuids' | 'gpu_indices'> => ({ gpu_uuids: gpus.map((gpu) => gpu.uuid), gpu_indices: gpus.map((gpu) => String(gpu.index)) });

/** A machine that takes nothing new takes nothing back either. One that is merely not listed keeps its word. */
async function hostReady(tx: Tx, nodeId: string): Promise<Result<void>> {
  const node = await tx.hostNode.findUniqueOrThrow({ where: { id: nodeId }, select: { lifecycle: true, presence: true, listing: true, lastHeartbeat: true } });
  if (node.lifecycle !== 'verified') return fail('node_not_ready', { detail: `Its machine is ${node.lifecycle.replaceAll('_', ' ')}`, facts: { lifecycle: node.lifecycle } });
  if (node.listing === 'draining' || node.listing === 'maintenance') {
    return fail('node_not_ready', { detail: `Its host has put the machine into ${node.listing === 'draining' ? 'draining: it takes nothing new' : 'maintenance'}`, hint: 'Its disk is kept. Try again later', facts: { listing: node.listing } });
  }
  if (node.presence === 'online') return ok(undefined);
  return fail('node_unreachable', {
    detail: 'Its machine does not answer at present. While it does not, nothing is charged',
    facts: { presence: node.presence, ...(node.lastHeartbeat ? { last_heartbeat: node.lastHeartbeat.toISOString() } : {}) },
  });
}

/** Others that hold more than a disk on this machine. */
async function holdersOn(tx: Tx, nodeId: string): Promise<Holder[]> {
  const rentals = await tx.rental.findMany({ where: { nodeId, releasedAt: null, parkedAt: null }, select: { numGpus: true, cpuCores: true, ramMb: true, diskGb: true, spec: true, deadlineAt: true, runUntil: true } });
  return rentals.map(({ spec, deadlineAt, runUntil, ...share }) => ({ ...share, gpuName: RentalSpec.parse(spec).gpu_name, endsAt: deadlineAt ?? runUntil }));
}
