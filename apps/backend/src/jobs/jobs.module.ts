import { Global, Module } from '@nestjs/common';
import { CancelJob } from './cancel.js';
import { CreditController } from './credit/credit.controller.js';
import { Credits } from './credit/credits.js';
import { Wall } from './credit/wall.js';
import { JobsController } from './jobs.controller.js';
import { ReadJobs } from './read.js';
import { Refunds } from './refunds.js';
import { ResultsModule } from './results/results.module.js';
import { ScheduleModule } from './schedule/schedule.module.js';
import { SchedulerWake } from './schedule/wake.js';
import { AfterSubmit } from './submit/after-submit.js';
import { InputFiles } from './submit/input-files.js';
import { MarketNodes } from './submit/market-nodes.js';
import { PlanJob } from './submit/plan.js';
import { QuoteJob } from './submit/quote.js';
import { SubmitJob } from './submit/submit.js';

/** Verified batch jobs, from submission to refund. Global: the gateway reports to it, the heartbeats feed its leases. */
@Global()
@Module({
  imports: [ResultsModule, ScheduleModule],
  controllers: [CreditController, JobsController],
  providers: [AfterSubmit, CancelJob, Credits, InputFiles, MarketNodes, PlanJob, QuoteJob, ReadJobs, Refunds, SchedulerWake, SubmitJob, Wall],
  exports: [CancelJob, Refunds, SchedulerWake],
})
export class JobsModule {}
