import { Global, Module } from '@nestjs/common';
import { Aggregates } from './aggregate.js';
import { Archives } from './archives.js';
import { MakeAggregate } from './make-aggregate.js';
import { ReadResult } from './read-result.js';
import { AfterAggregate, ResultWork } from './result-work.js';
import { ResultsController } from './results.controller.js';
import { Retention } from './retention.js';
import { TaskInputs } from './task-inputs.js';
import { Uploads } from './uploads.js';

/** Inputs and results of jobs: what is uploaded, handed to nodes, looked through, joined, kept and deleted. */
@Global()
@Module({
  controllers: [ResultsController],
  providers: [AfterAggregate, Aggregates, Archives, MakeAggregate, ReadResult, ResultWork, Retention, TaskInputs, Uploads],
  exports: [Aggregates, TaskInputs, Uploads],
})
export class ResultsModule {}
