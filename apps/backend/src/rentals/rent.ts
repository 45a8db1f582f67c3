import { Injectable } from '@nestjs/common';
import { fail, formatUsd, makeProblem, ok, parseUsd, ProblemError, type OperationInput, type operations, type RentalView, type Result } from '@muster/shared-types';
import { Prisma, type Template } from '@muster/prisma';
import { Config } from '../config.js';
import { bumpGeneration } from '../fleet/generation.js';
import { pricingOf } from '../fleet/pricing.rules.js';
import { lockUsers } from '../ledger/for-rentals.js';
import { rateOf, unitPrices, type Rate } from '../ledger/pricing.rules.js';
import { defaultDiskGb, parseOfferId, shapeById, type OfferShape } from '../market/offer.rules.js';
import { inThePast, tooMuchDisk } from '../market/quote.js';
import { templateBySlug } from '../market/templates.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { MasterKey } from '../platform/master-key.js';
import { emitEvent } from '../platform/outbox.js';
import type { SaveAnswer } from '../platform/request-state.js';
import { withTx } from '../platform/tx.js';
import { claimPorts } from '../tunnels/ports.js';
import { affords } from './affords.js';
import { claimGpus, lockNode, takeCapacity, type ClaimedGpu, type LockedNode } from './claim.store.js';
import { cleanEnv } from './env.rules.js';
import { NodeNews } from './node-news.js';
import { noteEvent } from './rental-events.js';
import { makeHostKey, makeJupyterToken, sealSecrets } from './rental-secrets.js';
import { shmMb, specHash, type RentalConnection, type RentalSecrets, type RentalSpec } from './rental-spec.js';
import { rentalView } from './rental.view.js';
import { rentalOf } from './rentals.store.js';
import { authorizedKeys } from './authorized-keys.js';

type Body = OperationInput<typeof operations.createRental>['body'];

export interface RentCall {
  userId: string;
  body: Body;
  saveAnswer: SaveAnswer;
}

/** What is made ready before anything is locked. */
interface Prepared {
  rentalId: string;
  now: Date;
  template: Template;
  authorizedKeys: string[];
  secrets: RentalSecrets;
  sshHostKey: string | null;
  droppedEnv: string[];
}

/** What the locked rows allow. */
interface Bargain {
  node: LockedNode;
  tunnelServerId: string;
  shape: OfferShape;
  rate: Rate;
  diskGb: number;
}

/**
 * Rents an offer: money, devices, CPU, RAM, disk and public ports in one transaction, or nothing at all.
 * Locks the renter (a balance is promised once) and then the node (its capacity is given out once).
 */
@Injectable()
export class Rent {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly master: MasterKey,
    private readonly config: Config,
    private readonly news: NodeNews,
  ) {}

  async run(call: RentCall): Promise<Result<RentalView>> {
    const prepared = await this.#prepare(call);
    if (!prepared.ok) return prepared;
    const rented = await this.#inOneTransaction(call, prepared.value);
    if (rented.ok) this.news.tell(rented.value.node_id, { start: rented.value.id, ports: true });
    return rented;
  }

  async #prepare({ userId, body }: RentCall): Promise<Result<Prepared>> {
    const now = this.clock.now();
    if (body.run_until !== undefined && new Date(body.run_until) <= now) return inThePast();
    const template = await templateBySlug(this.db.client, body.template, userId);
    if (!template) return fail('unknown_template', { facts: { template: body.template } });
    const keys = await authorizedKeys(this.db.client, userId, body.ssh_key_ids, template.ssh);
    if (!keys.ok) return keys;
    const hostKey = template.ssh ? makeHostKey() : null;
    const { env, dropped } = cleanEnv({ ...templateEnv(template), ...body.env });
    const secrets = { env, ssh_host_key: hostKey?.privateKey ?? null, jupyter_token: template.jupyterPort === null ? null : makeJupyterToken() };
    return ok({ rentalId: newId(), now, template, authorizedKeys: keys.value, secrets, sshHostKey: hostKey?.publicKey ?? null, droppedEnv: dropped });
  }

  /** A refusal after the first write is thrown, so that everything is rolled back, and becomes a value again here. */
  async #inOneTransaction(call: RentCall, prepared: Prepared): Promise<Result<RentalView>> {
    try {
      return await withTx(this.db, async (tx) => {
        const bargain = await this.#bargain(tx, call, prepared);
        return bargain.ok ? ok(await this.#write(tx, call, prepared, bargain.value)) : bargain;
      });
    } catch (error) {
      if (error instanceof ProblemError) return { ok: false, problem: error.problem };
      throw error;
    }
  }

  async #bargain(tx: Tx, { userId, body }: RentCall, { now }: Prepared): Promise<Result<Bargain>> {
    await lockUsers(tx, [userId]);
    const offer = await lockOffer(tx, body.offer_id);
    if (!offer) return fail('offer_gone', { hint: 'Search again: somebody may have rented it' });
    const { node, shape, tunnelServerId } = offer;
    if (node.ownerId === userId && !this.config.allowOwnNode) return fail('forbidden', { detail: 'On this market nobody rents his own machine' });
    const diskGb = body.disk_gb ?? defaultDiskGb(shape);
    if (diskGb > shape.diskGb) return tooMuchDisk(shape.diskGb);
    const rate = rateOf({ ...shape, diskGb }, unitPrices(pricingOf(node.pricingConfig)));
    if (rate.totalMicroHour !== parseUsd(body.expected_dph_total)) return priceChanged(rate);
    const affordable = await affords(tx, userId, { rateMicroHour: rate.totalMicroHour, newDiskMicroHour: rate.totalMicroHour - rate.baseMicroHour }, now);
    return affordable.ok ? ok({ node, shape, rate, diskGb, tunnelServerId }) : affordable;
  }

  async #write(tx: Tx, { userId, body, saveAnswer }: RentCall, prepared: Prepared, bargain: Bargain): Promise<RentalView> {
    const { rentalId, now, template } = prepared;
    await tx.rental.create({ data: newRental(userId, body, prepared, bargain, sealSecrets(this.master, prepared.secrets)) });
    const gpus = await claimDevices(tx, rentalId, bargain.shape);
    await takeCapacity(tx, bargain.node.id, { ...bargain.shape, diskGb: bargain.diskGb });
    const connection = await claimTunnels(tx, prepared, bargain.tunnelServerId);
    const spec = specOf(prepared, body, bargain, gpus);
    const hash = specHash({ image: template.image, cpuCores: bargain.shape.cpuCores, ramMb: bargain.shape.ramMb, diskGb: bargain.diskGb, spec, connection, secrets: prepared.secrets });
    await tx.rental.update({ where: { id: rentalId }, data: { spec, connectionInfo: connection, specHash: hash } });
    await bumpGeneration(tx, bargain.node.id);
    await note(tx, userId, prepared, bargain);
    const rental = await rentalOf(tx, userId, rentalId);
    if (!rental) throw new Error('the rental just written is not there');
    const view = rentalView(rental, { now, secrets: null, progress: null });
    await saveAnswer(tx, view);
    return view;
  }
}

const templateEnv = (template: Template): Record<string, string> => (template.env ?? {}) as Record<string, string>;

async function lockOffer(tx: Tx, offerId: string): Promise<{ node: LockedNode; shape: OfferShape; tunnelServerId: string } | undefined> {
  const key = parseOfferId(offerId);
  const node = key ? await lockNode(tx, key.nodeId) : undefined;
  if (!node?.listed || node.tunnelServerId === null) return undefined;
  const shape = shapeById(node.capacity, offerId);
  return shape && { node, shape, tunnelServerId: node.tunnelServerId };
}

const priceChanged = (rate: Rate): ReturnType<typeof fail> =>
  fail('price_changed', { facts: { dph_total: formatUsd(rate.totalMicroHour) }, hint: 'Ask for a quote again' });

function newRental(userId: string, body: Body, prepared: Prepared, bargain: Bargain, sealedSecrets: Uint8Array<ArrayBuffer>): Prisma.RentalUncheckedCreateInput {
  const { shape, rate, diskGb, node } = bargain;
  return {
    id: prepared.rentalId,
    renterId: userId,
    nodeId: node.id,
    createdAt: prepared.now,
    updatedAt: prepared.now,
    phaseSince: prepared.now,
    costPerHour: formatUsd(rate.totalMicroHour),
    rateMicroHour: rate.totalMicroHour,
    storageMicroHour: rate.totalMicroHour - rate.baseMicroHour,
    priceParts: rate.parts,
    offerId: shape.id,
    templateSlug: prepared.template.slug,
    image: prepared.template.image,
    numGpus: shape.numGpus,
    cpuCores: shape.cpuCores,
    ramMb: shape.ramMb,
    diskGb,
    runUntil: body.run_until === undefined ? null : new Date(body.run_until),
    maxSpendMicro: body.max_spend_usd === undefined ? null : parseUsd(body.max_spend_usd),
    sshHostKey: prepared.sshHostKey,
    sealedSecrets,
    spec: {},
    specHash: '',
  };
}

async function claimDevices(tx: Tx, rentalId: string, shape: OfferShape): Promise<ClaimedGpu[]> {
  if (shape.gpuName === null) return [];
  const gpus = await claimGpus(tx, { nodeId: shape.nodeId, rentalId, gpuName: shape.gpuName, count: shape.numGpus });
  if (!gpus) throw new ProblemError(makeProblem('offer_gone'));
  return gpus;
}

async function claimTunnels(tx: Tx, { rentalId, template, now }: Prepared, tunnelServerId: string): Promise<RentalConnection> {
  const server = await tx.tunnelServer.findUniqueOrThrow({ where: { id: tunnelServerId } });
  const ports = await claimPorts(tx, { tunnelServerId, rentalId, containerPorts: template.ports, now });
  if (!ports) throw new ProblemError(makeProblem('ports_exhausted'));
  return { host: server.publicHost, ports };
}

function specOf({ template, authorizedKeys: keys }: Prepared, body: Body, { shape }: Bargain, gpus: readonly ClaimedGpu[]): RentalSpec {
  return {
    ssh: template.ssh,
    ready_port: template.readyPort,
    jupyter_port: template.jupyterPort,
    authorized_keys: keys,
    command: template.command,
    onstart: [template.onstart, body.onstart ?? ''].filter((text) => text !== '').join('\n'),
    shm_mb: shmMb(shape.ramMb),
    gpu_name: shape.gpuName,
    gpu_uuids: gpus.map((gpu) => gpu.uuid),
    gpu_indices: gpus.map((gpu) => String(gpu.index)),
  };
}

async function note(tx: Tx, userId: string, prepared: Prepared, { node, rate, shape }: Bargain): Promise<void> {
  const { rentalId, now, droppedEnv } = prepared;
  const price = formatUsd(rate.totalMicroHour);
  await noteEvent(tx, rentalId, now, 'rented', `Rented on ${node.name} for $${price} an hour. Nothing is charged before it can be reached.`);
  if (droppedEnv.length > 0) await noteEvent(tx, rentalId, now, 'env', `Left out, because the host decides them: ${droppedEnv.join(', ')}`);
  await emitEvent(tx, { name: 'AuditEvent', aggregateId: rentalId, actorId: userId, payload: { action: 'rental.created', node_id: node.id, offer_id: shape.id, dph_total: price } });
}
