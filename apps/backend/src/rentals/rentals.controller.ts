import { Controller } from '@nestjs/common';
import { operations, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Db } from '../platform/db.js';
import { Answer, Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import type { SaveAnswer } from '../platform/request-state.js';
import { DestroyRental } from './destroy.js';
import { Rent } from './rent.js';
import { RentalLogs } from './rental-logs.js';
import { eventsPage } from './rental-events.js';
import { StartRental } from './start.js';
import { StopRental } from './stop.js';
import { RentalViews } from './views.js';

@Controller()
export class RentalsController {
  constructor(
    private readonly db: Db,
    private readonly rent: Rent,
    private readonly views: RentalViews,
    private readonly stop: StopRental,
    private readonly start: StartRental,
    private readonly destroy: DestroyRental,
    private readonly logs: RentalLogs,
  ) {}

  @Operation(operations.createRental)
  async createRental(
    @Who() who: Principal,
    @Input() { body }: OperationInput<typeof operations.createRental>,
    @Answer() saveAnswer: SaveAnswer,
  ): Promise<OperationOutput<typeof operations.createRental>> {
    return unwrap(await this.rent.run({ userId: userOf(who).userId, body, saveAnswer }));
  }

  @Operation(operations.listRentals)
  async listRentals(@Who() who: Principal, @Input() { query }: OperationInput<typeof operations.listRentals>): Promise<OperationOutput<typeof operations.listRentals>> {
    return await this.views.page(userOf(who), { cursor: query.cursor, limit: query.limit, state: query.state });
  }

  @Operation(operations.getRental)
  async getRental(@Who() who: Principal, @Input() { params }: OperationInput<typeof operations.getRental>): Promise<OperationOutput<typeof operations.getRental>> {
    return unwrap(await this.views.one(userOf(who), params.rental_id));
  }

  @Operation(operations.getConnection)
  async getConnection(@Who() who: Principal, @Input() { params }: OperationInput<typeof operations.getConnection>): Promise<OperationOutput<typeof operations.getConnection>> {
    return unwrap(await this.views.connection(userOf(who), params.rental_id));
  }

  @Operation(operations.listRentalEvents)
  async listRentalEvents(
    @Who() who: Principal,
    @Input() { params, query }: OperationInput<typeof operations.listRentalEvents>,
  ): Promise<OperationOutput<typeof operations.listRentalEvents>> {
    unwrap(await this.views.one(userOf(who), params.rental_id));
    return await eventsPage(this.db.client, params.rental_id, { cursor: query.cursor, limit: query.limit });
  }

  @Operation(operations.getRentalLogs)
  async getRentalLogs(@Who() who: Principal, @Input() { params, query }: OperationInput<typeof operations.getRentalLogs>): Promise<OperationOutput<typeof operations.getRentalLogs>> {
    return unwrap(await this.logs.tail(userOf(who).userId, params.rental_id, query));
  }

  @Operation(operations.stopRental)
  async stopRental(@Who() who: Principal, @Input() { params }: OperationInput<typeof operations.stopRental>): Promise<OperationOutput<typeof operations.stopRental>> {
    return unwrap(await this.stop.run(userOf(who), params.rental_id));
  }

  @Operation(operations.startRental)
  async startRental(
    @Who() who: Principal,
    @Input() { params }: OperationInput<typeof operations.startRental>,
    @Answer() saveAnswer: SaveAnswer,
  ): Promise<OperationOutput<typeof operations.startRental>> {
    return unwrap(await this.start.run({ userId: userOf(who).userId, rentalId: params.rental_id, saveAnswer }));
  }

  @Operation(operations.destroyRental)
  async destroyRental(@Who() who: Principal, @Input() { params }: OperationInput<typeof operations.destroyRental>): Promise<OperationOutput<typeof operations.destroyRental>> {
    return unwrap(await this.destroy.run(userOf(who), params.rental_id));
  }
}
