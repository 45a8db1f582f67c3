import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { ControlOutage } from '../../agents/control-outage.js';
import { Config } from '../../config.js';
import { Clock } from '../../platform/clock.js';
import { Singletons } from '../../platform/leases.js';
import { Tally } from '../tally/tally.js';
import { HotDb } from '../hot-db.js';
import { ExecutionBeats } from './beats.js';
import { leaseAfter, type Due } from './expiry.rules.js';

const PASS_EVERY_MS = 1_000;
/** For so long leases go on after a crash of the holder of this loop. */
const LEASE_MS = 3_000;
const AT_ONCE = 5_000;
/** A second run that its node does not take for so long is given up. */
const RECHECK_PATIENCE_MS = 10 * 60_000;

/** Ends leases whose node fell silent, and extends those whose node was heard. Nothing ends in the restart grace. */
@Injectable()
export class LeaseExpiry implements OnApplicationBootstrap {
  constructor(
    private readonly config: Config,
    private readonly db: HotDb,
    private readonly clock: Clock,
    private readonly outage: ControlOutage,
    private readonly beats: ExecutionBeats,
    private readonly tally: Tally,
    private readonly singletons: Singletons,
  ) {}

  onApplicationBootstrap(): void {
    if (this.config.has('scheduler')) this.singletons.every({ name: 'execution-leases', everyMs: PASS_EVERY_MS, leaseMs: LEASE_MS, run: () => this.pass() });
  }

  /** Everything that is due now. */
  async pass(): Promise<void> {
    const now = this.clock.now();
    if (this.outage.inGrace(now)) return;
    const due = await this.#due(now);
    if (due.length > 0) await this.#judge(due, now);
    await this.#giveUpRechecks(now);
  }

  #due(now: Date): Promise<Due[]> {
    return this.db.client.$queryRaw<Due[]>`
      /* muster:leases-due */ SELECT e.id, e.attempt, e."nodeId", n.transport = 'http' AS http, e."startedAt", j."timeoutS"
      FROM "JobExecution" e JOIN "Job" j ON j.id = e."jobId" JOIN "HostNode" n ON n.id = e."nodeId"
      WHERE e.status IN ('leased', 'running') AND e."leaseUntil" < ${now.toISOString()}::timestamptz ORDER BY e."leaseUntil" LIMIT ${AT_ONCE}::int`;
  }

  async #judge(due: readonly Due[], now: Date): Promise<void> {
    const beats = await this.beats.of([...new Set(due.map((one) => one.nodeId))]);
    const judged = due.map((one) => ({ one, lease: leaseAfter(one, beats.get(one.nodeId), now) }));
    const kept = judged.flatMap(({ one, lease }) => (lease.keep ? [{ id: one.id, until: lease.until.toISOString() }] : []));
    const lost = judged.flatMap(({ one, lease }) => (lease.keep ? [] : [{ executionId: one.id, attempt: one.attempt, reason: lease.reason }]));
    if (kept.length > 0) await this.#extend(kept);
    await this.tally.lose(lost);
  }

  async #extend(kept: readonly { id: string; until: string }[]): Promise<void> {
    await this.db.client.$executeRaw`
      UPDATE "JobExecution" e SET "leaseUntil" = w.until FROM json_to_recordset(${JSON.stringify(kept)}::json) AS w(id uuid, until timestamptz)
      WHERE e.id = w.id AND e.status IN ('leased', 'running')`;
  }

  async #giveUpRechecks(now: Date): Promise<void> {
    const before = new Date(now.getTime() - RECHECK_PATIENCE_MS).toISOString();
    const rows = await this.db.client.$queryRaw<{ id: string; attempt: number }[]>`
      SELECT id, attempt FROM "JobExecution" WHERE status = 'ready' AND "nodeId" IS NOT NULL AND "createdAt" < ${before}::timestamptz LIMIT ${AT_ONCE}::int`;
    await this.tally.lose(rows.map(({ id, attempt }) => ({ executionId: id, attempt, reason: 'Its node did not come back for the second run' })));
  }
}
