import { Controller } from '@nestjs/common';
import { jobOperations as ops, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Db } from '../../platform/db.js';
import { Input, Operation, Who } from '../../platform/operation.js';
import { userOf, type Principal } from '../../platform/principal.js';
import { contributorsPage } from './contributors.store.js';
import { Credits } from './credits.js';
import { Wall } from './wall.js';

@Controller()
export class CreditController {
  constructor(
    private readonly db: Db,
    private readonly credits: Credits,
    private readonly wall: Wall,
  ) {}

  @Operation(ops.getCredits)
  async getCredits(@Who() who: Principal, @Input() { params }: OperationInput<typeof ops.getCredits>): Promise<OperationOutput<typeof ops.getCredits>> {
    return unwrap(await this.credits.of(userOf(who).userId, params.owner));
  }

  @Operation(ops.listContributors)
  async listContributors(@Input() { query }: OperationInput<typeof ops.listContributors>): Promise<OperationOutput<typeof ops.listContributors>> {
    return await contributorsPage(this.db.client, query);
  }

  @Operation(ops.setWall)
  async setWall(@Who() who: Principal, @Input() { body }: OperationInput<typeof ops.setWall>): Promise<OperationOutput<typeof ops.setWall>> {
    return await this.wall.set(userOf(who).userId, body);
  }
}
