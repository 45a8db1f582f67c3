import { Injectable } from '@nestjs/common';
import { fail, ok, type OperationInput, type OperationOutput, type operations, type Result } from '@muster/shared-types';
import { NodePush } from '../agents/node-push.js';
import { Db } from '../platform/db.js';
import { actionsOf } from './rental.rules.js';
import { rentalOf } from './rentals.store.js';
import { notYours } from './views.js';

type Logs = OperationOutput<typeof operations.getRentalLogs>;
type LogsQuery = OperationInput<typeof operations.getRentalLogs>['query'];
const PATIENCE_MS = 10_000;

/** What an instance printed, asked from its machine: the last lines, or what came after a place in it. */
@Injectable()
export class RentalLogs {
  constructor(
    private readonly db: Db,
    private readonly push: NodePush,
  ) {}

  async tail(userId: string, rentalId: string, query: LogsQuery): Promise<Result<Logs>> {
    const rental = await rentalOf(this.db.client, userId, rentalId);
    if (!rental) return notYours();
    if (!actionsOf(rental.status, false).includes('logs')) return fail('action_not_allowed', { detail: `The rental is ${rental.status}; its machine has no logs of it` });
    const { tail_lines, after } = query;
    const waitMs = after === undefined ? 0 : query.wait_s * 1_000;
    const asked = { rental_id: rentalId, tail_lines, ...(after === undefined ? {} : { after, wait_ms: waitMs }) };
    const answer = await this.push.request(rental.nodeId, 'log_request', asked, PATIENCE_MS + waitMs);
    if (!answer.ok) return answer;
    const { text, truncated, cursor, gap } = answer.value;
    return ok({ text, truncated, cursor: cursor ?? null, gap: gap ?? false });
  }
}
