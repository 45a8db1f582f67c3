import { Injectable } from '@nestjs/common';
import { fail, ok, type OperationOutput, type operations, type OperatorUser, type Result } from '@muster/shared-types';
import { Suspension } from '../identity/suspension.js';
import { CancelJob } from '../jobs/cancel.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { EndRental } from '../rentals/end.js';
import { Machines } from './machines.js';
import { openOf, userOf } from './people.store.js';

type Suspended = OperationOutput<typeof operations.suspendUser>;

/**
 * Shuts an account out: first nothing of it is let in any more, then what it has open ends. What it rents and what others rent
 * from it ends now and is billed to this second; its jobs are cancelled and refunded; its machines are quarantined. Cut short,
 * the same call again finishes it.
 */
@Injectable()
export class SuspendUser {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly suspension: Suspension,
    private readonly endRental: EndRental,
    private readonly cancelJob: CancelJob,
    private readonly machines: Machines,
  ) {}

  async suspend(userId: string, actorId: string, reason: string): Promise<Result<Suspended>> {
    if (userId === actorId) return fail('action_not_allowed', { detail: 'Nobody suspends himself' });
    if (!(await this.suspension.suspend(userId, actorId, reason))) return noSuchAccount();
    const open = await openOf(this.db.client, userId);
    const own = await Promise.all(open.rentalIds.map((id) => this.endRental.one(id, { reason: 'account_suspended', wanted: this.clock.now(), actorId })));
    let ended = own.filter(Boolean).length;
    for (const nodeId of open.nodeIds) {
      await this.machines.quarantine(nodeId, actorId, `The account of its host was suspended: ${reason}`);
      ended += await this.endRental.endRentalsOfNode(nodeId, 'account_suspended', actorId);
    }
    const cancelled = [];
    for (const jobId of open.jobIds) cancelled.push((await this.cancelJob.run(userId, jobId)).ok);
    const user = await userOf(this.db.client, userId);
    return user ? ok({ ...user, ended_rentals: ended, cancelled_jobs: cancelled.filter(Boolean).length }) : noSuchAccount();
  }

  /** Its machines stay quarantined until each is released. */
  async unsuspend(userId: string, actorId: string): Promise<Result<OperatorUser>> {
    const known = await this.suspension.unsuspend(userId, actorId);
    const user = known ? await userOf(this.db.client, userId) : undefined;
    return user ? ok(user) : noSuchAccount();
  }
}

const noSuchAccount = (): ReturnType<typeof fail> => fail('not_found', { detail: 'There is no such account' });
