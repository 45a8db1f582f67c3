import { Controller } from '@nestjs/common';
import { hostOperations as ops, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import { HostHistory } from './history.js';
import { Maintenance } from './maintenance.js';

type In<K extends keyof typeof ops> = OperationInput<(typeof ops)[K]>;
type Out<K extends keyof typeof ops> = Promise<OperationOutput<(typeof ops)[K]>>;

@Controller()
export class HostingController {
  constructor(
    private readonly maintenance: Maintenance,
    private readonly history: HostHistory,
  ) {}

  @Operation(ops.planMaintenance)
  async planMaintenance(@Who() who: Principal, @Input() { params, body }: In<'planMaintenance'>): Out<'planMaintenance'> {
    return unwrap(await this.maintenance.plan(userOf(who).userId, params.node_id, body));
  }

  @Operation(ops.listMaintenance)
  async listMaintenance(@Who() who: Principal, @Input() { params }: In<'listMaintenance'>): Out<'listMaintenance'> {
    return unwrap(await this.maintenance.ofNode(userOf(who).userId, params.node_id));
  }

  @Operation(ops.cancelMaintenance)
  async cancelMaintenance(@Who() who: Principal, @Input() { params }: In<'cancelMaintenance'>): Out<'cancelMaintenance'> {
    return unwrap(await this.maintenance.cancel(userOf(who).userId, params.node_id));
  }

  @Operation(ops.listEarnings)
  async listEarnings(@Who() who: Principal, @Input() { query }: In<'listEarnings'>): Out<'listEarnings'> {
    return await this.history.earnings(userOf(who).userId, query.days, query.node_id);
  }

  @Operation(ops.listUtilisation)
  async listUtilisation(@Who() who: Principal): Out<'listUtilisation'> {
    return await this.history.utilisation(userOf(who).userId);
  }
}
