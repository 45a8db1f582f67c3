import { Controller } from '@nestjs/common';
import { makeProblem, operations, ProblemError, type OperationOutput } from '@muster/shared-types';
import { Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import { Redis } from '../platform/redis.js';
import { Tickets } from './tickets.js';

@Controller()
export class LiveController {
  constructor(
    private readonly tickets: Tickets,
    private readonly redis: Redis,
  ) {}

  @Operation(operations.createLiveTicket)
  async createLiveTicket(@Who() who: Principal): Promise<OperationOutput<typeof operations.createLiveTicket>> {
    if (this.redis.client.status !== 'ready') throw new ProblemError(makeProblem('unavailable'));
    return await this.tickets.make(userOf(who));
  }
}
