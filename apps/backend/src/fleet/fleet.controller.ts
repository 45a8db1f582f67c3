import { Controller } from '@nestjs/common';
import { fleetOperations as ops, unwrap, type NodeView, type OperationInput, type OperationOutput } from '@muster/shared-types';
import { Input, Operation, Who } from '../platform/operation.js';
import { hostOf, userOf, type Principal } from '../platform/principal.js';
import { EnrolNonces } from './enrol-nonce.js';
import { Enrol } from './enrol.js';
import { HttpHeartbeat } from './http-heartbeat.js';
import { ManageNode } from './manage.js';
import { Nodes } from './nodes.js';
import { RetireNode } from './retire.js';

type In<K extends keyof typeof ops> = OperationInput<(typeof ops)[K]>;
type Out<K extends keyof typeof ops> = Promise<OperationOutput<(typeof ops)[K]>>;

@Controller()
export class FleetHostController {
  constructor(
    private readonly nonces: EnrolNonces,
    private readonly enrol: Enrol,
    private readonly heartbeats: HttpHeartbeat,
  ) {}

  @Operation(ops.createEnrolNonce)
  async createEnrolNonce(@Who() who: Principal): Out<'createEnrolNonce'> {
    const { nonce, expiresAt } = await this.nonces.make(hostOf(who).ownerId);
    return { nonce, expires_at: expiresAt.toISOString() };
  }

  @Operation(ops.enrolNode)
  async enrolNode(@Who() who: Principal, @Input() input: In<'enrolNode'>): Out<'enrolNode'> {
    return unwrap(await this.enrol.run(hostOf(who).ownerId, input.body));
  }

  @Operation(ops.heartbeat)
  async heartbeat(@Who() who: Principal, @Input() input: In<'heartbeat'>): Out<'heartbeat'> {
    return unwrap(await this.heartbeats.run(hostOf(who).ownerId, input.params.node_id, input.body));
  }
}

@Controller()
export class FleetController {
  constructor(
    private readonly nodes: Nodes,
    private readonly manage: ManageNode,
    private readonly retire: RetireNode,
  ) {}

  @Operation(ops.listNodes)
  async listNodes(@Who() who: Principal, @Input() input: In<'listNodes'>): Out<'listNodes'> {
    const { of, cursor, limit } = input.query;
    return unwrap(await this.nodes.page(of === 'market' ? null : userOf(who).userId, cursor, limit));
  }

  @Operation(ops.getNode)
  async getNode(@Who() who: Principal, @Input() input: In<'getNode'>): Out<'getNode'> {
    return this.#view(who, input.params.node_id);
  }

  @Operation(ops.priceNode)
  async priceNode(@Who() who: Principal, @Input() input: In<'priceNode'>): Out<'priceNode'> {
    unwrap(await this.manage.price(input.params.node_id, userOf(who).userId, input.body));
    return this.#view(who, input.params.node_id);
  }

  @Operation(ops.listNode)
  async listNode(@Who() who: Principal, @Input() input: In<'listNode'>): Out<'listNode'> {
    unwrap(await this.manage.move('list', input.params.node_id, userOf(who).userId));
    return this.#view(who, input.params.node_id);
  }

  @Operation(ops.unlistNode)
  async unlistNode(@Who() who: Principal, @Input() input: In<'unlistNode'>): Out<'unlistNode'> {
    unwrap(await this.manage.move('unlist', input.params.node_id, userOf(who).userId));
    return this.#view(who, input.params.node_id);
  }

  @Operation(ops.drainNode)
  async drainNode(@Who() who: Principal, @Input() input: In<'drainNode'>): Out<'drainNode'> {
    unwrap(await this.manage.move('drain', input.params.node_id, userOf(who).userId));
    return this.#view(who, input.params.node_id);
  }

  @Operation(ops.retireNode)
  async retireNode(@Who() who: Principal, @Input() input: In<'retireNode'>): Out<'retireNode'> {
    unwrap(await this.retire.run(input.params.node_id, userOf(who).userId, input.body.force));
    return this.#view(who, input.params.node_id);
  }

  async #view(who: Principal, nodeId: string): Promise<NodeView> {
    return unwrap(await this.nodes.view(nodeId, userOf(who).userId));
  }
}
