import { Injectable } from '@nestjs/common';
import { fail, ok, type ConnectionInfo, type RentalView, type Result } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import type { Page } from '../platform/cursor.js';
import { Db } from '../platform/db.js';
import { MasterKey } from '../platform/master-key.js';
import type { UserPrincipal } from '../platform/principal.js';
import { Progresses } from './progress.js';
import { openSecrets } from './rental-secrets.js';
import { RentalSpec } from './rental-spec.js';
import { connectionOf, rentalView } from './rental.view.js';
import type { ViewRental } from './rentals.store.js';
import { rentalOf, rentalsPage } from './rentals.store.js';

/** Reads rentals for their renter. A key that may only read sees no way in. */
@Injectable()
export class RentalViews {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly master: MasterKey,
    private readonly progresses: Progresses,
  ) {}

  async one(who: UserPrincipal, rentalId: string): Promise<Result<RentalView>> {
    const rental = await rentalOf(this.db.client, who.userId, rentalId);
    if (!rental) return notYours();
    const [view] = await this.of(who, [rental]);
    return view ? ok(view) : notYours();
  }

  async page(who: UserPrincipal, query: { cursor?: string | undefined; limit: number; state: 'live' | 'all' }): Promise<Page<RentalView>> {
    const page = await rentalsPage(this.db.client, who.userId, query);
    return { items: await this.of(who, page.items), next: page.next };
  }

  async connection(who: UserPrincipal, rentalId: string): Promise<Result<ConnectionInfo>> {
    const rental = await rentalOf(this.db.client, who.userId, rentalId);
    if (!rental) return notYours();
    if (rental.status !== 'running') return fail('action_not_allowed', { detail: `The rental is ${rental.status}; there is a way in only while it runs` });
    return ok(connectionOf(rental, RentalSpec.parse(rental.spec), openSecrets(this.master, rental.sealedSecrets)));
  }

  async of(who: UserPrincipal, rentals: readonly ViewRental[]): Promise<RentalView[]> {
    const now = this.clock.now();
    const pulling = rentals.filter((rental) => rental.phase === 'pulling').map((rental) => rental.id);
    const progress = await this.progresses.read(pulling);
    const mayConnect = who.scopes.includes('rent');
    return rentals.map((rental) => {
      const secrets = mayConnect && rental.status === 'running' ? openSecrets(this.master, rental.sealedSecrets) : null;
      return rentalView(rental, { now, secrets, progress: progress.get(rental.id) ?? null });
    });
  }
}

export const notYours = (): ReturnType<typeof fail> => fail('not_found', { detail: 'This account has no such rental' });
