import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from './clock.js';
import { Db } from './db.js';
import { Singletons } from './leases.js';

const HOUR_MS = 3_600_000;
/** An Idempotency-Key is good for this long after its first use. */
const KEEP_KEYS_MS = 48 * HOUR_MS;
/** An ended session is kept this long, for whoever asks what happened. */
const KEEP_SESSIONS_MS = 30 * 24 * HOUR_MS;

/** Removes rows that nobody can use any more. Nothing of money, rentals or events is ever among them. */
@Injectable()
export class Housekeeping implements OnApplicationBootstrap {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly singletons: Singletons,
  ) {}

  onApplicationBootstrap(): void {
    this.singletons.every({ name: 'housekeeping', everyMs: HOUR_MS, run: () => this.sweep(this.clock.now()) });
  }

  async sweep(now: Date): Promise<void> {
    const before = (ms: number): Date => new Date(now.getTime() - ms);
    await this.db.client.idempotencyKey.deleteMany({ where: { createdAt: { lt: before(KEEP_KEYS_MS) } } });
    await this.db.client.session.deleteMany({ where: { expiresAt: { lt: before(KEEP_SESSIONS_MS) } } });
  }
}
