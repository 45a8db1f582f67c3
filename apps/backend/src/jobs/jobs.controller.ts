import { Controller } from '@nestjs/common';
import { jobOperations as ops, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Answer, Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import type { SaveAnswer } from '../platform/request-state.js';
import { CancelJob } from './cancel.js';
import { ReadJobs } from './read.js';
import { QuoteJob } from './submit/quote.js';
import { SubmitJob } from './submit/submit.js';

type In<K extends keyof typeof ops> = OperationInput<(typeof ops)[K]>;
type Out<K extends keyof typeof ops> = Promise<OperationOutput<(typeof ops)[K]>>;

@Controller()
export class JobsController {
  constructor(
    private readonly quote: QuoteJob,
    private readonly submit: SubmitJob,
    private readonly read: ReadJobs,
    private readonly cancel: CancelJob,
  ) {}

  @Operation(ops.quoteJob)
  async quoteJob(@Who() who: Principal, @Input() { body }: In<'quoteJob'>): Out<'quoteJob'> {
    return unwrap(await this.quote.run(userOf(who).userId, body));
  }

  @Operation(ops.createJob)
  async createJob(@Who() who: Principal, @Input() { body }: In<'createJob'>, @Answer() saveAnswer: SaveAnswer): Out<'createJob'> {
    return unwrap(await this.submit.run({ userId: userOf(who).userId, body, saveAnswer }));
  }

  @Operation(ops.listJobs)
  async listJobs(@Who() who: Principal, @Input() { query }: In<'listJobs'>): Out<'listJobs'> {
    return await this.read.page(userOf(who).userId, query);
  }

  @Operation(ops.getJob)
  async getJob(@Who() who: Principal, @Input() { params }: In<'getJob'>): Out<'getJob'> {
    return unwrap(await this.read.one(userOf(who).userId, params.job_id));
  }

  @Operation(ops.listExecutions)
  async listExecutions(@Who() who: Principal, @Input() { params, query }: In<'listExecutions'>): Out<'listExecutions'> {
    return unwrap(await this.read.executions(userOf(who).userId, params.job_id, query));
  }

  @Operation(ops.listTasks)
  async listTasks(@Who() who: Principal, @Input() { params, query }: In<'listTasks'>): Out<'listTasks'> {
    return unwrap(await this.read.tasks(userOf(who).userId, params.job_id, query));
  }

  @Operation(ops.cancelJob)
  async cancelJob(@Who() who: Principal, @Input() { params }: In<'cancelJob'>): Out<'cancelJob'> {
    return unwrap(await this.cancel.run(userOf(who).userId, params.job_id));
  }
}
