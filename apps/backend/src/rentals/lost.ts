import { Injectable } from '@nestjs/common';
import { addReputation, REPUTATION } from '../fleet/reputation.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { withTx } from '../platform/tx.js';
import { EndRental } from './end.js';
import { endWords } from './end.rules.js';
import { FailStart } from './fail-start.js';

/** What becomes of the rentals of a machine that has been silent for too long. Their claims stay: it may come back with them. */
@Injectable()
export class LostRentals {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly endRental: EndRental,
    private readonly failStart: FailStart,
  ) {}

  /** Each ends where its silence began. Returns how many were lost. Repeating it changes nothing. */
  async markLost(nodeId: string, silentSince: Date): Promise<number> {
    const rentals = await this.db.client.rental.findMany({ where: { nodeId, status: { in: ['pending', 'starting', 'running'] } }, select: { id: true, nodeId: true, status: true } });
    let lost = 0;
    for (const rental of rentals) {
      if (rental.status !== 'running') await this.failStart.run(rental, { code: 'host_silent', message: 'The machine fell silent before it could be started.' });
      else if (await this.#lose(rental.id, nodeId, silentSince)) lost += 1;
    }
    return lost;
  }

  async #lose(rentalId: string, nodeId: string, silentSince: Date): Promise<boolean> {
    const fault = { code: 'host_lost', message: endWords('host_lost') };
    const wanted = silentSince < this.clock.now() ? silentSince : this.clock.now();
    if (!(await this.endRental.one(rentalId, { reason: 'host_lost', wanted, fault, lost: true }))) return false;
    await withTx(this.db, (tx) => addReputation(tx, { nodeId, delta: REPUTATION.lost, reason: 'a rental was lost', dedupeKey: `lost:${rentalId}` }));
    return true;
  }
}
