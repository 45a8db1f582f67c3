import { Injectable } from '@nestjs/common';
import { fail, formatUsd, ok, type MicroUsd, type OperationOutput, type operations, type Result } from '@muster/shared-types';
import { NodePush } from '../agents/node-push.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import type { SaveAnswer } from '../platform/request-state.js';
import { withTx } from '../platform/tx.js';
import { balancesOf } from './accounts.store.js';
import { recomputeDeadlines } from './deadlines.js';
import { post } from './ledger.js';
import { PAYMENTS_IN, prepaidOf } from './ledger.rules.js';
import { lockMoneyOf } from './lock-money.js';

type Granted = OperationOutput<typeof operations.grantCredit>;

export interface GrantRequest {
  email: string;
  amountMicro: MicroUsd;
  /** The operator. */
  actorId: string;
  saveAnswer: SaveAnswer;
}

/** Test credit from an operator: spendable, never payable. What it pays for lasts longer at once. */
@Injectable()
export class Grants {
  constructor(
    private readonly db: Db,
    private readonly clock: Clock,
    private readonly outbox: Outbox,
    private readonly push: NodePush,
  ) {}

  async grant(request: GrantRequest): Promise<Result<Granted>> {
    if (request.amountMicro <= 0n) return fail('invalid_request', { errors: [{ path: 'body.amount_usd', message: 'must be more than zero' }] });
    const user = await this.db.client.user.findUnique({ where: { email: request.email.toLowerCase() }, select: { id: true, email: true } });
    if (!user) return fail('not_found', { detail: 'No account has this e-mail' });
    const { answer, nodes } = await withTx(this.db, (tx) => this.#write(tx, user, request));
    this.outbox.wake();
    await Promise.all(nodes.map((nodeId) => this.push.changed(nodeId)));
    return ok(answer);
  }

  async #write(tx: Tx, user: { id: string; email: string }, request: GrantRequest): Promise<{ answer: Granted; nodes: string[] }> {
    const now = this.clock.now();
    const id = newId();
    await lockMoneyOf(tx, user.id);
    await post(tx, [{ id, from: PAYMENTS_IN, to: prepaidOf(user.id), amountMicro: request.amountMicro, kind: 'grant', referenceId: null, memo: 'test credit' }], now);
    const nodes = await recomputeDeadlines(tx, user.id, now);
    const { prepaidMicro } = await balancesOf(tx, user.id);
    const answer = { user_id: user.id, email: user.email, granted_usd: formatUsd(request.amountMicro), balance_usd: formatUsd(prepaidMicro) };
    await emitEvent(tx, { name: 'PaymentReceived', aggregateId: user.id, actorId: request.actorId, payload: { transfer_id: id, amount_usd: answer.granted_usd, kind: 'grant' } });
    await request.saveAnswer(tx, answer);
    return { answer, nodes };
  }
}
