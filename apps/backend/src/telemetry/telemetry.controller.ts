import { Controller } from '@nestjs/common';
import { telemetryOperations as ops, unwrap, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Input, Operation, Who } from '../platform/operation.js';
import { userOf, type Principal } from '../platform/principal.js';
import { Findings } from './findings.js';
import { ReadMetrics } from './read-metrics.js';

type In<K extends keyof typeof ops> = OperationInput<(typeof ops)[K]>;
type Out<K extends keyof typeof ops> = Promise<OperationOutput<(typeof ops)[K]>>;

@Controller()
export class TelemetryController {
  constructor(
    private readonly metrics: ReadMetrics,
    private readonly findings: Findings,
  ) {}

  @Operation(ops.getRentalMetrics)
  async getRentalMetrics(@Who() who: Principal, @Input() { params, query }: In<'getRentalMetrics'>): Out<'getRentalMetrics'> {
    return unwrap(await this.metrics.ofRental(userOf(who).userId, params.rental_id, query));
  }

  @Operation(ops.getNodeMetrics)
  async getNodeMetrics(@Who() who: Principal, @Input() { params, query }: In<'getNodeMetrics'>): Out<'getNodeMetrics'> {
    return unwrap(await this.metrics.ofNode(userOf(who).userId, params.node_id, query));
  }

  @Operation(ops.listNodeFindings)
  async listNodeFindings(@Who() who: Principal, @Input() { params }: In<'listNodeFindings'>): Out<'listNodeFindings'> {
    return unwrap(await this.findings.ofNode(userOf(who).userId, params.node_id));
  }
}
