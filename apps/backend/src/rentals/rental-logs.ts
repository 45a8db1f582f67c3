import { Injectable } from '@nestjs/common';
import { fail, ok, type OperationOutput, type operations, type Result } from '@muster/shared-types';
import { NodePush } from '../agents/node-push.js';
import { Db } from '../platform/db.js';
import { actionsOf } from './rental.rules.js';
import { rentalOf } from './rentals.store.js';
import { notYours } from './views.js';

type Logs = OperationOutput<typeof operations.getRentalLogs>;
const PATIENCE_MS = 10_000;

/** The last lines that an instance printed, asked from its machine. */
@Injectable()
export class RentalLogs {
  constructor(
    private readonly db: Db,
    private readonly push: NodePush,
  ) {}

  async tail(userId: string, rentalId: string, lines: number): Promise<Result<Logs>> {
    const rental = await rentalOf(this.db.client, userId, rentalId);
    if (!rental) return notYours();
    if (!actionsOf(rental.status, false).includes('logs')) return fail('action_not_allowed', { detail: `The rental is ${rental.status}; its machine has no logs of it` });
    const answer = await this.push.request(rental.nodeId, 'log_request', { rental_id: rentalId, tail_lines: lines }, PATIENCE_MS);
    return answer.ok ? ok({ text: answer.value.text, truncated: answer.value.truncated }) : answer;
  }
}
