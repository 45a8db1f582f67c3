import { Injectable } from '@nestjs/common';
import { fail, type RentalView, type Result } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import type { UserPrincipal } from '../platform/principal.js';
import { EndRental } from './end.js';
import { isTerminal } from './rental.rules.js';
import { rentalOf } from './rentals.store.js';
import { notYours, RentalViews } from './views.js';

/** Ends a rental for good at its renter's word: from every state that is not final; one that is ending already stays so. */
@Injectable()
export class DestroyRental {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly endRental: EndRental,
    private readonly views: RentalViews,
  ) {}

  async run(who: UserPrincipal, rentalId: string): Promise<Result<RentalView>> {
    const wanted = this.clock.now();
    const rental = await rentalOf(this.db.client, who.userId, rentalId);
    if (!rental) return notYours();
    if (isTerminal(rental.status)) return fail('action_not_allowed', { detail: `The rental is ${rental.status} already` });
    await this.endRental.one(rentalId, { reason: 'destroyed', wanted, actorId: who.userId });
    return await this.views.one(who, rentalId);
  }
}
