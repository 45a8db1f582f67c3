import { Controller } from '@nestjs/common';
import { jobOperations as ops, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Input, Operation, Who } from '../../platform/operation.js';
import { hostOf, type Principal } from '../../platform/principal.js';
import { RegisterNode } from './register.js';
import { ReportResult } from './report-result.js';
import { TakeWork } from './take-work.js';

type In<K extends keyof typeof ops> = OperationInput<(typeof ops)[K]>;
type Out<K extends keyof typeof ops> = Promise<OperationOutput<(typeof ops)[K]>>;

/** The whole of what a machine needs that speaks nothing but HTTP; its heartbeat is the fleet's. */
@Controller()
export class WorkerHttpController {
  constructor(
    private readonly register: RegisterNode,
    private readonly work: TakeWork,
    private readonly result: ReportResult,
  ) {}

  @Operation(ops.registerNode)
  async registerNode(@Who() who: Principal, @Input() input: In<'registerNode'>): Out<'registerNode'> {
    return unwrap(await this.register.run(hostOf(who).ownerId, input.body));
  }

  @Operation(ops.pendingJobs)
  async pendingJobs(@Who() who: Principal, @Input() input: In<'pendingJobs'>): Out<'pendingJobs'> {
    return unwrap(await this.work.run(hostOf(who).ownerId, input.params.node_id, input.query.limit));
  }

  @Operation(ops.reportResult)
  async reportResult(@Who() who: Principal, @Input() input: In<'reportResult'>): Out<'reportResult'> {
    return unwrap(await this.result.run(hostOf(who).ownerId, input.body));
  }
}
