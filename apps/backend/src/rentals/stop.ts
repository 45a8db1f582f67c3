import { Injectable } from '@nestjs/common';
import { fail, type RentalView, type Result } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import type { UserPrincipal } from '../platform/principal.js';
import { EndRental } from './end.js';
import { rentalOf } from './rentals.store.js';
import { notYours, RentalViews } from './views.js';

/** Stops a rental at its renter's word: its disk is kept and billed, everything else is freed. One that is stopping stays so. */
@Injectable()
export class StopRental {
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
    const stopped = rental.keepDisk || (await this.endRental.stop(rentalId, { wanted, actorId: who.userId }));
    if (!stopped) return fail('action_not_allowed', { detail: `The rental is ${rental.status}; only one that runs can be stopped` });
    return await this.views.one(who, rentalId);
  }
}
