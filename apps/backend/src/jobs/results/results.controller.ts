import { Controller } from '@nestjs/common';
import { jobOperations as ops, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Input, Operation, Who } from '../../platform/operation.js';
import { userOf, type Principal } from '../../platform/principal.js';
import { ReadResult } from './read-result.js';
import { Uploads } from './uploads.js';

type In<K extends keyof typeof ops> = OperationInput<(typeof ops)[K]>;
type Out<K extends keyof typeof ops> = Promise<OperationOutput<(typeof ops)[K]>>;

@Controller()
export class ResultsController {
  constructor(
    private readonly uploads: Uploads,
    private readonly results: ReadResult,
  ) {}

  @Operation(ops.createUpload)
  async createUpload(@Who() who: Principal, @Input() { body }: In<'createUpload'>): Out<'createUpload'> {
    return unwrap(await this.uploads.create(userOf(who).userId, body));
  }

  @Operation(ops.getJobResult)
  async getJobResult(@Who() who: Principal, @Input() { params, query }: In<'getJobResult'>): Out<'getJobResult'> {
    return unwrap(await this.results.run(userOf(who).userId, params.job_id, query));
  }
}
