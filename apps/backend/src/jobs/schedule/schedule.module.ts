import { Global, Module } from '@nestjs/common';
import { HotDb } from '../hot-db.js';
import { NodeTasks } from '../node-tasks.js';
import { TallyMetrics } from '../tally/tally-metrics.js';
import { Tally } from '../tally/tally.js';
import { TaskResultsOfNode } from '../tally/task-results.js';
import { TaskUpdatesOfNode } from '../tally/task-updates.js';
import { RegisterNode } from '../worker/register.js';
import { ReportResult } from '../worker/report-result.js';
import { TakeWork } from '../worker/take-work.js';
import { WorkerHttpController } from '../worker/worker-http.controller.js';
import { ExecutionBeats } from './beats.js';
import { DispatchTasks } from './dispatch.js';
import { LeaseExpiry } from './expiry.js';
import { JobBook } from './job-book.js';
import { LeaseToOne } from './lease-to-one.js';
import { NodeBook } from './node-book.js';
import { NodeForm } from './node-form.js';
import { Scheduler } from './scheduler.js';
import { WaitingReasons } from './waiting.js';

/** From a waiting copy to a decided task. Global: gateway and heartbeats feed it. */
@Global()
@Module({
  controllers: [WorkerHttpController],
  providers: [
    DispatchTasks, ExecutionBeats, HotDb, JobBook, LeaseExpiry, LeaseToOne, NodeBook, NodeForm, NodeTasks, RegisterNode, ReportResult, Scheduler, TakeWork, Tally, TallyMetrics, TaskResultsOfNode, TaskUpdatesOfNode,
    WaitingReasons,
  ],
  exports: [ExecutionBeats, NodeTasks, Tally],
})
export class ScheduleModule {}
