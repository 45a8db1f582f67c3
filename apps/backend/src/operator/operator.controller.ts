import { Controller } from '@nestjs/common';
import { operatorOperations as ops, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Db } from '../platform/db.js';
import { Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import { Machines } from './machines.js';
import { usersPage } from './people.store.js';
import { SuspendUser } from './suspend.js';
import { HealthOfMarket } from './system-health.js';
import { allJobsPage, allRentalsPage, eventsPage } from './work.store.js';

type In<K extends keyof typeof ops> = OperationInput<(typeof ops)[K]>;
type Out<K extends keyof typeof ops> = Promise<OperationOutput<(typeof ops)[K]>>;

/** Only operators get here: the rule stands on each operation. */
@Controller()
export class OperatorController {
  constructor(
    private readonly db: Db,
    private readonly accounts: SuspendUser,
    private readonly machines: Machines,
    private readonly health: HealthOfMarket,
  ) {}

  @Operation(ops.listUsers)
  async listUsers(@Input() { query }: In<'listUsers'>): Out<'listUsers'> {
    return await usersPage(this.db.client, query);
  }

  @Operation(ops.suspendUser)
  async suspendUser(@Who() who: Principal, @Input() { params, body }: In<'suspendUser'>): Out<'suspendUser'> {
    return unwrap(await this.accounts.suspend(params.user_id, userOf(who).userId, body.reason));
  }

  @Operation(ops.unsuspendUser)
  async unsuspendUser(@Who() who: Principal, @Input() { params }: In<'unsuspendUser'>): Out<'unsuspendUser'> {
    return unwrap(await this.accounts.unsuspend(params.user_id, userOf(who).userId));
  }

  @Operation(ops.listAllNodes)
  async listAllNodes(@Input() { query }: In<'listAllNodes'>): Out<'listAllNodes'> {
    return await this.machines.page(query);
  }

  @Operation(ops.quarantineNode)
  async quarantineNode(@Who() who: Principal, @Input() { params, body }: In<'quarantineNode'>): Out<'quarantineNode'> {
    return unwrap(await this.machines.quarantine(params.node_id, userOf(who).userId, body.reason));
  }

  @Operation(ops.releaseNode)
  async releaseNode(@Who() who: Principal, @Input() { params }: In<'releaseNode'>): Out<'releaseNode'> {
    return unwrap(await this.machines.release(params.node_id, userOf(who).userId));
  }

  @Operation(ops.listAllRentals)
  async listAllRentals(@Input() { query }: In<'listAllRentals'>): Out<'listAllRentals'> {
    return await allRentalsPage(this.db.client, query);
  }

  @Operation(ops.listAllJobs)
  async listAllJobs(@Input() { query }: In<'listAllJobs'>): Out<'listAllJobs'> {
    return await allJobsPage(this.db.client, query);
  }

  @Operation(ops.listEvents)
  async listEvents(@Input() { query }: In<'listEvents'>): Out<'listEvents'> {
    return await eventsPage(this.db.client, query);
  }

  @Operation(ops.systemHealth)
  async systemHealth(): Out<'systemHealth'> {
    return await this.health.view();
  }
}
