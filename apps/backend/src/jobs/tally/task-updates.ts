import { Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { fail, ok, type Result, type TaskUpdate } from '@muster/shared-types';
import { HotDb } from '../hot-db.js';
import { Tally } from './tally.js';

type Update = TaskUpdate['updates'][number];

/** What runs for less is reported before anybody could read that it runs. */
const GATHER_MS = 300;

/**
 * How far leased executions are. `running` is shown to people and decides nothing, so it is written late and together;
 * `refused` gives the copy to somebody else at once.
 */
@Injectable()
export class TaskUpdatesOfNode implements BeforeApplicationShutdown {
  readonly #log = new Logger('TaskUpdates');
  readonly #running = new Map<string, { nodeId: string; attempt: number }>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: HotDb,
    private readonly tally: Tally,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#flush();
  }

  /** Nobody says anything of what was never leased to him: then nothing of the message counts. */
  async take(nodeId: string, updates: readonly Update[]): Promise<Result<void>> {
    if (!(await this.#areOf(nodeId, updates))) return fail('not_found', { detail: 'Not all of these executions are this node’s' });
    for (const update of updates.filter((one) => one.phase === 'running')) this.#running.set(update.execution_id, { nodeId, attempt: update.attempt });
    if (this.#running.size > 0) this.#timer ??= setTimeout(() => void this.#flush(), GATHER_MS);
    const refused = updates.filter((one) => one.phase === 'refused');
    await this.tally.lose(refused.map((one) => ({ executionId: one.execution_id, attempt: one.attempt, reason: `Its node refused it: ${one.detail ?? 'no reason was given'}` })));
    return ok(undefined);
  }

  /** The machine goes away and takes its containers along: its copies need not wait for the end of their leases. */
  async left(nodeId: string): Promise<void> {
    const own = await this.db.client.jobExecution.findMany({ where: { nodeId, status: { in: ['leased', 'running'] } }, select: { id: true, attempt: true } });
    await this.tally.lose(own.map((row) => ({ executionId: row.id, attempt: row.attempt, reason: 'Its machine was shut down' })));
  }

  async #areOf(nodeId: string, updates: readonly Update[]): Promise<boolean> {
    const ids = [...new Set(updates.map((one) => one.execution_id))];
    return (await this.db.client.jobExecution.count({ where: { id: { in: ids }, nodeId } })) === ids.length;
  }

  async #flush(): Promise<void> {
    this.#timer = undefined;
    if (this.#running.size === 0) return;
    const rows = JSON.stringify([...this.#running].map(([id, { nodeId, attempt }]) => ({ id, node: nodeId, attempt })));
    this.#running.clear();
    await this.#write(rows).catch((error: unknown) => this.#log.warn(`that executions run is not shown: ${error instanceof Error ? error.message : String(error)}`));
  }

  async #write(rows: string): Promise<void> {
    await this.db.client.$executeRaw`
      WITH ran AS (
        UPDATE "JobExecution" e SET status = 'running' FROM json_to_recordset(${rows}::json) AS w(id uuid, node uuid, attempt int)
        WHERE e.id = w.id AND e."nodeId" = w.node AND e.attempt = w.attempt AND e.status = 'leased' RETURNING e."jobId"
      )
      UPDATE "Job" SET status = 'running'
      WHERE id IN (SELECT id FROM "Job" WHERE id IN (SELECT "jobId" FROM ran) AND status IN ('pending', 'scheduled') ORDER BY id FOR NO KEY UPDATE SKIP LOCKED)`;
  }
}
