import { Injectable, Logger } from '@nestjs/common';
import { EXECUTION_LEASE_S, JOB_LIMITS, type ExecutionSpec } from '@muster/shared-types';
import { NodePush } from '../../agents/node-push.js';
import { Db } from '../../platform/db.js';
import { Gather } from '../../platform/gather.js';
import { groupBy } from '../group.rules.js';
import { TaskInputs } from '../results/task-inputs.js';
import { executionSpec, frames } from './execution-spec.rules.js';
import { JobBook, type JobFacts } from './job-book.js';
import type { LeasedRow } from './lease.store.js';

/**
 * Brings leased executions to their nodes: at once, and again at every proven connect until they are reported. An agent
 * knows them by id and attempt, so that hearing twice costs nothing.
 */
@Injectable()
export class DispatchTasks {
  readonly #log = new Logger('DispatchTasks');
  /** After a restart thousands of nodes connect at once. */
  readonly #leased = new Gather<string, LeasedRow[]>((nodeIds) => this.#leasedToAll(nodeIds));

  constructor(
    private readonly db: Db,
    private readonly jobs: JobBook,
    private readonly inputs: TaskInputs,
    private readonly push: NodePush,
  ) {}

  async send(leased: readonly LeasedRow[]): Promise<void> {
    const specs = await this.specsOf(leased, EXECUTION_LEASE_S);
    for (const [nodeId, rows] of groupBy(leased, (row) => row.node)) {
      this.#push(nodeId, rows.flatMap((row) => specs.get(row.id) ?? []));
    }
  }

  /** Everything that is leased to this node now. */
  async resend(nodeId: string): Promise<void> {
    const rows = await this.leasedTo(nodeId);
    if (rows.length === 0) return;
    const specs = await this.specsOf(rows, EXECUTION_LEASE_S);
    this.#push(nodeId, [...specs.values()]);
    this.#log.log({ node_id: nodeId, executions: rows.length }, 'what is leased to a node was sent again');
  }

  async specsOf(leased: readonly LeasedRow[], leaseS: number): Promise<Map<string, ExecutionSpec>> {
    const [jobs, gpus] = await Promise.all([this.jobs.of(leased.map((row) => row.job)), this.#gpusOf(leased)]);
    const specs = await Promise.all(leased.map((row) => this.#spec(jobs.get(row.job), row, gpus.get(row.id) ?? [], leaseS).catch((error: unknown) => this.#without(row, error))));
    return new Map(specs.flatMap((spec) => (spec ? [[spec.execution_id, spec] as const] : [])));
  }

  async #spec(job: JobFacts | undefined, row: LeasedRow, gpuUuids: readonly string[], leaseS: number): Promise<ExecutionSpec | undefined> {
    if (!job) return undefined;
    const [inputs, uploadUrl] = await Promise.all([
      this.inputs.of(job, row),
      job.outputs === null ? null : this.inputs.uploadUrl(job, row.id),
    ]);
    return executionSpec(job, { id: row.id, attempt: row.attempt, taskIndex: row.task_index, kind: row.kind, environment: row.environment, gpuUuids, inputs, uploadUrl, leaseS });
  }

  /** It stays leased and comes back when the lease ends: by then its input may be there again. */
  #without(row: LeasedRow, error: unknown): undefined {
    this.#log.error({ err: error, job_id: row.job, execution_id: row.id }, 'an execution could not be sent');
  }

  /** Devices by execution, where jobs of this batch have any. */
  async #gpusOf(leased: readonly LeasedRow[]): Promise<Map<string, string[]>> {
    const jobs = await this.jobs.of(leased.map((row) => row.job));
    const ids = leased.filter((row) => (jobs.get(row.job)?.need.numGpus ?? 0) > 0).map((row) => row.id);
    if (ids.length === 0) return new Map();
    const rows = await this.db.client.gpu.findMany({ where: { executionId: { in: ids } }, select: { executionId: true, uuid: true }, orderBy: { index: 'asc' } });
    const byExecution = groupBy(rows, (row) => row.executionId ?? '');
    return new Map([...byExecution].map(([id, gpus]) => [id, gpus.map((gpu) => gpu.uuid)]));
  }

  /** What is in this node's hands, oldest first. */
  leasedTo(nodeId: string): Promise<LeasedRow[]> {
    return this.#leased.get(nodeId);
  }

  async #leasedToAll(nodeIds: readonly string[]): Promise<LeasedRow[][]> {
    const rows = await this.db.client.$queryRaw<LeasedRow[]>`
      SELECT e.id, e.attempt, e."jobId" AS job, e."nodeId" AS node, e."taskId" AS task, t.index AS task_index, t.kind, t.environment, t.part
      FROM "JobExecution" e JOIN "Task" t ON t.id = e."taskId" WHERE e."nodeId" = ANY(${[...nodeIds]}::uuid[]) AND e.status IN ('leased', 'running') ORDER BY e.id`;
    const byNode = groupBy(rows, (row) => row.node);
    return nodeIds.map((nodeId) => byNode.get(nodeId) ?? []);
  }

  #push(nodeId: string, specs: readonly ExecutionSpec[]): void {
    for (const executions of frames(specs, JOB_LIMITS.executionsPerFrame)) this.push.tasks(nodeId, executions);
  }
}
