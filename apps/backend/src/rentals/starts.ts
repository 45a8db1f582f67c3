import { Injectable } from '@nestjs/common';
import { RentalPhase, RESTART_GRACE_S } from '@muster/shared-types';
import type { Rental } from '@muster/prisma';
import { ControlOutage } from '../agents/control-outage.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { EndRental } from './end.js';
import { FailStart } from './fail-start.js';
import { Progresses } from './progress.js';
import { Reach } from './reach.js';
import { PHASE_LIMIT_S, PHASE_TIMEOUT_WORDS } from './rental.rules.js';

/** A stopped rental whose node says nothing is shown as ended after this; its claim stays. */
const GIVE_UP_S = 30;
/** The bill of a stopped rental waits this long for its node to prove what it ran through an outage of ours. */
const FINISH_S = 2 * RESTART_GRACE_S;
/** Whoever began to probe has surely begun by then. */
const RESUME_PROBE_S = 3;
const AT_ONCE = 200;

/** Moves on what nobody else moves on: starts that hang, probes whose process died, stops whose node is silent. */
@Injectable()
export class StartsAndStops {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outage: ControlOutage,
    private readonly progresses: Progresses,
    private readonly reach: Reach,
    private readonly failStart: FailStart,
    private readonly endRental: EndRental,
  ) {}

  async pass(): Promise<void> {
    const now = this.clock.now();
    await this.#starts(now);
    await this.#stops(now);
  }

  async #starts(now: Date): Promise<void> {
    const starting = await this.db.client.rental.findMany({
      where: { status: { in: ['pending', 'starting'] }, phaseSince: { lt: secondsBefore(now, RESUME_PROBE_S) } },
      orderBy: { phaseSince: 'asc' },
      take: AT_ONCE,
    });
    for (const rental of starting) {
      if (rental.phase === 'probing') this.reach.begin(rental.id);
      else if (await this.#hangs(rental, now)) await this.#timeOut(rental);
    }
  }

  /** Nobody is held to a time in which the market itself was away; a download that still reports progress does not hang. */
  async #hangs(rental: Rental, now: Date): Promise<boolean> {
    const limitS = PHASE_LIMIT_S[phaseOf(rental)];
    if (this.outage.inGrace(now) || (rental.phaseSince ?? rental.createdAt) > secondsBefore(now, limitS)) return false;
    return !(await this.progresses.read([rental.id])).has(rental.id);
  }

  async #timeOut(rental: Rental): Promise<void> {
    const phase = phaseOf(rental);
    await this.failStart.run(rental, { code: phase === 'queued' ? 'host_not_answering' : `${phase}_timed_out`, message: PHASE_TIMEOUT_WORDS[phase] });
  }

  async #stops(now: Date): Promise<void> {
    const unpaid = await this.db.client.rental.findMany({ where: { status: 'stopping', endTime: null, stopRequestedAt: { not: null } }, select: { id: true, stopRequestedAt: true }, take: AT_ONCE });
    for (const { id, stopRequestedAt } of unpaid) {
      await this.endRental.finish(id, { final: stopRequestedAt !== null && stopRequestedAt < secondsBefore(now, FINISH_S) && !this.outage.inGrace(now) });
    }
    await this.db.client.rental.updateMany({
      where: { status: 'stopping', endTime: { not: null }, phaseSince: { lt: secondsBefore(now, GIVE_UP_S) } },
      data: { status: 'ended', updatedAt: now, version: { increment: 1 } },
    });
  }
}

const phaseOf = (rental: Rental): RentalPhase => RentalPhase.catch('queued').parse(rental.phase);
const secondsBefore = (now: Date, seconds: number): Date => new Date(now.getTime() - seconds * 1_000);
