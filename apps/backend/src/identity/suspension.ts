import { Injectable } from '@nestjs/common';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import { withTx } from '../platform/tx.js';
import { Revocations } from './revocations.js';

/** Shuts an account out and lets it in again. Its keys keep standing: while it is suspended none of them is let in. */
@Injectable()
export class Suspension {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
    private readonly revocations: Revocations,
  ) {}

  /** Sessions end, keys are refused from this moment on every replica, open sockets close. Again changes nothing. False: no such account. */
  async suspend(userId: string, actorId: string, reason: string): Promise<boolean> {
    const now = this.clock.now();
    const shut = await withTx(this.db, async (tx) => {
      const { count } = await tx.user.updateMany({ where: { id: userId, disabledAt: null }, data: { disabledAt: now } });
      if (count > 0) await emitEvent(tx, { name: 'AuditEvent', aggregateId: userId, actorId, payload: { action: 'user.suspended', reason } });
      return await tx.session.updateManyAndReturn({ where: { userId, revokedAt: null }, data: { revokedAt: now }, select: { id: true } });
    });
    const keys = await this.db.client.apiKey.findMany({ where: { userId, revokedAt: null }, select: { id: true } });
    for (const { id } of shut) this.revocations.sessionRevoked(id);
    for (const { id } of keys) this.revocations.keyRevoked(id);
    this.outbox.wake();
    return (await this.db.client.user.count({ where: { id: userId } })) === 1;
  }

  /** Its keys work again; a session has to be opened anew. False: no such account. */
  async unsuspend(userId: string, actorId: string): Promise<boolean> {
    await withTx(this.db, async (tx) => {
      const { count } = await tx.user.updateMany({ where: { id: userId, disabledAt: { not: null } }, data: { disabledAt: null } });
      if (count > 0) await emitEvent(tx, { name: 'AuditEvent', aggregateId: userId, actorId, payload: { action: 'user.unsuspended' } });
    });
    const keys = await this.db.client.apiKey.findMany({ where: { userId, revokedAt: null }, select: { id: true } });
    // What was remembered of a refused key is forgotten.
    for (const { id } of keys) this.revocations.keyRevoked(id);
    this.outbox.wake();
    return (await this.db.client.user.count({ where: { id: userId } })) === 1;
  }
}
