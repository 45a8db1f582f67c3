import { Injectable, Logger } from '@nestjs/common';
import { fail, ok, RentalPhase, type InstanceUpdate, type Result } from '@muster/shared-types';
import type { Rental } from '@muster/prisma';
import { dateOfSecond, floorSecond } from '../ledger/whole-seconds.rules.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Redis } from '../platform/redis.js';
import { EndRental } from './end.js';
import { endWords, faultOf, isOnlyStopped, reasonOfFault } from './end.rules.js';
import { FailStart } from './fail-start.js';
import { Park } from './park.js';
import { Progresses } from './progress.js';
import { Reach } from './reach.js';
import { Release } from './release.js';
import { noteEvent } from './rental-events.js';
import { isLaterPhase, PHASE_WORDS, statusesFor } from './rental.rules.js';

/** What the agent says of an instance, against what the market knows of its rental. */
@Injectable()
export class RentalProgress {
  readonly #log = new Logger('RentalProgress');

  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly redis: Redis,
    private readonly progresses: Progresses,
    private readonly reach: Reach,
    private readonly failStart: FailStart,
    private readonly endRental: EndRental,
    private readonly park: Park,
    private readonly release: Release,
  ) {}

  /**
   * `not_found` for a rental that is not on this node, `stale_message` for another epoch. Everything else is taken:
   * repeated, late and out of order, it changes nothing that is past.
   */
  async applyInstanceUpdate(nodeId: string, update: InstanceUpdate): Promise<Result<void>> {
    const rental = await this.db.client.rental.findFirst({ where: { id: update.rental_id, nodeId } });
    if (!rental) {
      this.#log.warn({ node_id: nodeId, rental_id: update.rental_id, state: update.state }, 'a node speaks of a rental that it does not have');
      return fail('not_found', { detail: 'This node has no such rental' });
    }
    // Epoch 0 in `gone` is an agent that no longer knew which run it removed: what is gone is gone in every epoch.
    const anyEpoch = update.state === 'gone' && update.epoch === 0;
    if (update.epoch !== rental.epoch && !anyEpoch) return fail('stale_message', { facts: { epoch: String(rental.epoch) } });
    await this.#apply(rental, update);
    return ok(undefined);
  }

  async #apply(rental: Rental, update: InstanceUpdate): Promise<void> {
    switch (update.state) {
      case 'queued':
      case 'pulling':
      case 'creating':
      case 'tunnelling':
        return await this.#phase(rental, update.state, update);
      case 'running':
        return await this.#arrived(rental, update);
      case 'stopping':
        return update.fault ? await this.#over(rental, update) : undefined;
      case 'exited':
      case 'failed':
        return await this.#over(rental, update);
      case 'stopped':
        return await this.#stopped(rental);
      case 'gone':
        return await this.#gone(rental, update);
    }
  }

  async #phase(rental: Rental, phase: RentalPhase, update: InstanceUpdate): Promise<void> {
    if (!statusesFor('progressed').concat(statusesFor('taken')).includes(rental.status)) return;
    if (update.progress && this.redis.client.status === 'ready') await this.progresses.note(rental.id, update.progress);
    if (!isLaterPhase(rental.phase, phase)) return;
    const now = this.clock.now();
    await this.db.client.$transaction(async (tx) => {
      const { count } = await tx.rental.updateMany({
        where: { id: rental.id, status: { in: ['pending', 'starting'] }, phase: rental.phase },
        data: { status: 'starting', phase, phaseSince: now, phaseMs: phaseMsOf(rental, update), updatedAt: now, version: { increment: 1 }, ...machineFacts(update) },
      });
      if (count === 1) await noteEvent(tx, rental.id, now, 'phase', PHASE_WORDS[phase]);
    });
  }

  /** The agent sees it running with its tunnels up. Whether it can be reached is for us to find out. */
  async #arrived(rental: Rental, update: InstanceUpdate): Promise<void> {
    if (rental.status !== 'pending' && rental.status !== 'starting') return;
    await this.#phase(rental, 'probing', update);
    this.reach.begin(rental.id);
  }

  async #over(rental: Rental, update: InstanceUpdate): Promise<void> {
    if (rental.status === 'pending' || rental.status === 'starting') {
      return void (await this.failStart.run(rental, faultOf(update.fault, update.state === 'exited' ? 'exited_at_once' : 'internal')));
    }
    const atDeadline = update.fault?.code === 'deadline';
    if (rental.status === 'running') return await (atDeadline ? this.#deadline(rental) : this.#ended(rental, update));
    if (rental.status === 'stopping' && rental.endTime === null && atDeadline) await this.endRental.finish(rental.id, { endedAtDeadline: true });
  }

  /** Its agent ended it at the deadline it was given, perhaps while we were away. */
  async #deadline(rental: Rental): Promise<void> {
    const now = this.clock.now();
    const withGaps = { ...rental, gaps: await this.db.client.rentalGap.findMany({ where: { rentalId: rental.id } }) };
    const wanted = rental.deadlineAt && rental.deadlineAt < now ? rental.deadlineAt : now;
    await this.endRental.atDeadline(withGaps, wanted, { endedAtDeadline: true });
  }

  async #ended(rental: Rental, update: InstanceUpdate): Promise<void> {
    const fault = faultOf(update.fault, 'exited');
    const wanted = dateOfSecond(floorSecond(this.clock.now()));
    if (isOnlyStopped(fault.code)) await this.endRental.stop(rental.id, { wanted, fault });
    else await this.endRental.one(rental.id, { reason: reasonOfFault(fault.code), wanted, fault });
  }

  /** Nothing of it is left on the machine. A rental that should still be there ends with it. */
  async #gone(rental: Rental, update: InstanceUpdate): Promise<void> {
    if (rental.releasedAt !== null) return;
    await this.#over(rental, { ...update, state: 'exited' });
    await this.endRental.finish(rental.id, { final: true });
    const kept = await this.db.client.rental.findFirst({ where: { id: rental.id, keepDisk: true, endTime: null } });
    if (kept) await this.#diskLost(kept.id);
    await this.release.run(rental);
  }

  /** Its container is no more and its disk is kept. A stop that waited for the node to prove what ran waits no longer. */
  async #stopped(rental: Rental): Promise<void> {
    if (!rental.keepDisk || rental.status !== 'stopping') return;
    if (rental.storedSince === null) await this.endRental.finish(rental.id, { final: true });
    await this.park.run(rental);
  }

  async #diskLost(rentalId: string): Promise<void> {
    await this.endRental.one(rentalId, { reason: 'disk_lost', wanted: dateOfSecond(floorSecond(this.clock.now())), fault: { code: 'disk_lost', message: endWords('disk_lost') } });
    await this.endRental.finish(rentalId, { final: true });
  }
}

/** What each finished phase took, on the agent's clock; names that are no phases are not kept. */
function phaseMsOf(rental: Rental, update: InstanceUpdate): Record<string, number> {
  const told = Object.entries(update.phase_ms ?? {}).filter(([name, ms]) => RentalPhase.safeParse(name).success && ms >= 0);
  return { ...(rental.phaseMs as Record<string, number>), ...Object.fromEntries(told.map(([name, ms]) => [name, Math.round(ms)])) };
}

function machineFacts(update: InstanceUpdate): { containerId?: string; imageDigest?: string } {
  return {
    ...(update.container_id === undefined ? {} : { containerId: update.container_id }),
    ...(update.image_digest === undefined ? {} : { imageDigest: update.image_digest }),
  };
}
