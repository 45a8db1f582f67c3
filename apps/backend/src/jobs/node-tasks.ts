import { Injectable } from '@nestjs/common';
import type { ReportOutcome, Result, TaskResults, TaskUpdate } from '@muster/shared-types';
import { DispatchTasks } from './schedule/dispatch.js';
import { NodeBook } from './schedule/node-book.js';
import { SchedulerWake } from './schedule/wake.js';
import { TaskResultsOfNode } from './tally/task-results.js';
import { TaskUpdatesOfNode } from './tally/task-updates.js';

/** What an agent's socket means for jobs. */
@Injectable()
export class NodeTasks {
  constructor(
    private readonly dispatch: DispatchTasks,
    private readonly resultsOf: TaskResultsOfNode,
    private readonly updatesOf: TaskUpdatesOfNode,
    private readonly book: NodeBook,
    private readonly wake: SchedulerWake,
  ) {}

  results(nodeId: string, batch: TaskResults): Promise<Result<ReportOutcome[]>> {
    return this.resultsOf.take(nodeId, batch);
  }

  updates(nodeId: string, updates: TaskUpdate['updates']): Promise<Result<void>> {
    return this.updatesOf.take(nodeId, updates);
  }

  /** It said goodbye for good. */
  left(nodeId: string): Promise<void> {
    return this.updatesOf.left(nodeId);
  }

  /** It has proven its key: it hears again what it is to run. */
  async connected(nodeId: string): Promise<void> {
    await this.dispatch.resend(nodeId);
    this.changed(nodeId);
  }

  /** What the machine is or may do changed. */
  changed(nodeId: string): void {
    this.book.changed([nodeId]);
    this.wake.wake();
  }
}
