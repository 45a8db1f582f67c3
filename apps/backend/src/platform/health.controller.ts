import { Controller } from '@nestjs/common';
import { makeProblem, operations, ProblemError, type OperationOutput } from '@muster/shared-types';
import { Clock } from './clock.js';
import { Db } from './db.js';
import { pendingMigrations } from './migrations.js';
import { Operation } from './operation.js';
import { Redis } from './redis.js';
import { capacityOnline, consensusRate, jobsByStatus, nodesByStatus, rentalsByStatus } from './status-counts.js';
import { VERSION } from './version.js';

const PATIENCE_MS = 2_000;
type Dependency = { ok: boolean; detail: string };

@Controller()
export class HealthController {
  constructor(
    private readonly db: Db,
    private readonly redis: Redis,
    private readonly clock: Clock,
  ) {}

  @Operation(operations.health)
  health(): OperationOutput<typeof operations.health> {
    return { status: 'ok', version: VERSION, uptime_s: Math.round(process.uptime()) };
  }

  @Operation(operations.ready)
  async ready(): Promise<OperationOutput<typeof operations.ready>> {
    const [postgres, redis] = await Promise.all([check(() => this.#postgres()), check(() => this.redis.client.ping())]);
    if (postgres.ok && redis.ok) return { status: 'ready', dependencies: { postgres, redis } };
    throw new ProblemError(makeProblem('unavailable', { facts: { postgres: postgres.detail, redis: redis.detail } }));
  }

  @Operation(operations.stats)
  async stats(): Promise<OperationOutput<typeof operations.stats>> {
    const { gpu, user } = this.db.client;
    const [nodes, rentals, jobs, consensus_rate, capacity, total, rented, users] = await Promise.all([
      nodesByStatus(this.db),
      rentalsByStatus(this.db),
      jobsByStatus(this.db),
      consensusRate(this.db),
      capacityOnline(this.db),
      gpu.count(),
      gpu.count({ where: { rentalId: { not: null } } }),
      user.count(),
    ]);
    return { nodes, gpus: { total, rented }, rentals, jobs, consensus_rate, capacity, users, as_of: this.clock.now().toISOString() };
  }

  async #postgres(): Promise<string> {
    const pending = await pendingMigrations(this.db);
    if (pending.length > 0) throw new Error(`migrations are pending: ${pending.join(', ')}`);
    return 'answers';
  }
}

/** A dependency that neither answers nor fails in time is down. Only our own words go out: drivers name hosts and users. */
async function check(ask: () => Promise<unknown>): Promise<Dependency> {
  const late = AbortSignal.timeout(PATIENCE_MS);
  const silence = new Promise<never>((_resolve, reject) => late.addEventListener('abort', () => reject(new Error('silent'))));
  return await Promise.race([ask(), silence]).then(
    () => ({ ok: true, detail: 'answers' }),
    (error: unknown) => ({ ok: false, detail: wordsFor(error) }),
  );
}

function wordsFor(error: unknown): string {
  return error instanceof Error && error.message.startsWith('migrations are pending') ? error.message : 'does not answer';
}
