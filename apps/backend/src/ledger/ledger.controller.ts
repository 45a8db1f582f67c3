import { Controller } from '@nestjs/common';
import { operations, parseUsd, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { Answer, Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import type { SaveAnswer } from '../platform/request-state.js';
import { Balance } from './balance.js';
import { checkLedger } from './check.js';
import { Grants } from './grant.js';
import { Settler } from './settle.js';
import { statementPage } from './statement.store.js';

@Controller()
export class LedgerController {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly balance: Balance,
    private readonly settler: Settler,
    private readonly grants: Grants,
  ) {}

  @Operation(operations.getBalance)
  async getBalance(@Who() who: Principal): Promise<OperationOutput<typeof operations.getBalance>> {
    return await this.balance.view(userOf(who).userId);
  }

  @Operation(operations.listStatement)
  async listStatement(
    @Who() who: Principal,
    @Input() { query }: OperationInput<typeof operations.listStatement>,
  ): Promise<OperationOutput<typeof operations.listStatement>> {
    const { userId } = userOf(who);
    if (query.cursor === undefined) await this.settler.settleOf(userId, this.clock.now());
    return await statementPage(this.db.client, userId, { cursor: query.cursor, limit: query.limit, rentalId: query.rental_id });
  }

  @Operation(operations.grantCredit)
  async grantCredit(
    @Who() who: Principal,
    @Input() { body }: OperationInput<typeof operations.grantCredit>,
    @Answer() saveAnswer: SaveAnswer,
  ): Promise<OperationOutput<typeof operations.grantCredit>> {
    const request = { email: body.email, amountMicro: parseUsd(body.amount_usd), actorId: userOf(who).userId, saveAnswer };
    return unwrap(await this.grants.grant(request));
  }

  @Operation(operations.checkLedger)
  async checkLedger(): Promise<OperationOutput<typeof operations.checkLedger>> {
    const checks = await checkLedger(this.db.client);
    return { ok: checks.every((check) => check.ok), checks };
  }
}
