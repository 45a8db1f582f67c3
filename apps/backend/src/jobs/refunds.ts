import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { NodePush } from '../agents/node-push.js';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Singletons, type SingletonLoop } from '../platform/leases.js';
import { withTx } from '../platform/tx.js';
import { refundAndRecompute } from './escrow.js';
import { lockJobsAndMoney } from './lock.store.js';

const SAFETY_PASS_MS = 1_000;
/** Jobs of one person in one transaction. */
const AT_ONCE = 1_000;

/**
 * Gives the rest of the escrow of terminal jobs back. A loop of its own, so that what ends a job holds no lock of its
 * submitter; whatever a crash leaves behind is found again, since a terminal job with money left says so itself.
 */
@Injectable()
export class Refunds implements OnApplicationBootstrap, BeforeApplicationShutdown {
  #loop: SingletonLoop | undefined;

  constructor(
    private readonly config: Config,
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly singletons: Singletons,
    private readonly push: NodePush,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.has('settler')) this.#loop = this.singletons.every({ name: 'job-refunds', everyMs: SAFETY_PASS_MS, run: () => this.pass(this.clock.now()) });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#loop?.stop();
  }

  /** Says that a job became terminal, or that the last copy of one ended. Losing it costs a second. */
  wake(): void {
    this.#loop?.wake();
  }

  /** Everything that is due now. */
  async pass(now: Date): Promise<void> {
    const rows = await this.db.client.$queryRaw<{ submitter: string; jobs: string[] }[]>`
      SELECT "submittedBy" AS submitter, (array_agg(id ORDER BY id))[1:${AT_ONCE}::int] AS jobs FROM "Job"
      WHERE status IN ('completed', 'failed', 'cancelled') AND "paidMicro" + "refundedMicro" < "heldMicro" GROUP BY 1`;
    for (const { submitter, jobs } of rows) await this.#refund(submitter, jobs, now);
  }

  async #refund(submitterId: string, jobIds: string[], now: Date): Promise<void> {
    const nodes = await withTx(this.db, async (tx) => {
      await lockJobsAndMoney(tx, submitterId, jobIds);
      return await refundAndRecompute(tx, submitterId, jobIds, now);
    });
    await Promise.all(nodes.map((nodeId) => this.push.changed(nodeId)));
  }
}
