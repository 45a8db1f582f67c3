import { Injectable } from '@nestjs/common';
import { fail, ok, type PricingInput, type Problem, type Result } from '@muster/shared-types';
import type { z } from 'zod';
import { NodePush } from '../agents/node-push.js';
import { Clock } from '../platform/clock.js';
import { Db, type Tx } from '../platform/db.js';
import { emitEvent, Outbox } from '../platform/outbox.js';
import { withTx } from '../platform/tx.js';
import { bumpGeneration } from './generation.js';
import { inventoryOf } from './node-view.rules.js';
import { LISTING_MOVES, mayMove, type ListingVerb } from './node.rules.js';
import { lockNodeOfOwner, type NodeRow } from './nodes.store.js';
import { failedChecks } from './preflight.rules.js';
import { pricingOf, reprice } from './pricing.rules.js';
import { refreshStatus } from './status.store.js';

/** What an owner orders for a node: price, list, unlist, drain. Each is decided under the node's lock. */
@Injectable()
export class ManageNode {
  constructor(
    private readonly db: Db,
    private readonly push: NodePush,
    private readonly outbox: Outbox,
    private readonly clock: Clock,
  ) {}

  /** Running rentals keep their price: it stands on the rental. */
  price(nodeId: string, ownerId: string, input: z.output<typeof PricingInput>): Promise<Result<void>> {
    return withTx(this.db, async (tx) => {
      const node = await lockNodeOfOwner(tx, nodeId, ownerId);
      if (!node) return notFound();
      if (node.lifecycle === 'retired') return fail('action_not_allowed', { detail: 'This node was retired' });
      const pricingConfig = reprice(pricingOf(node.pricingConfig), input);
      await tx.hostNode.update({ where: { id: nodeId }, data: { pricingConfig, ...(input.min_chunk === undefined ? {} : { minChunk: input.min_chunk }) } });
      await this.#audit(tx, node, ownerId, 'node.priced');
      return ok(undefined);
    });
  }

  /** list, unlist or drain. Asking for what is already so changes nothing. */
  async move(verb: ListingVerb, nodeId: string, ownerId: string): Promise<Result<void>> {
    const moved = await withTx(this.db, (tx) => this.#move(tx, verb, nodeId, ownerId));
    if (!moved.ok) return moved;
    this.outbox.wake();
    if (moved.value === 'changed') await this.push.changed(nodeId);
    if (moved.value === 'changed' && verb === 'drain') await this.push.drain(nodeId, 'drained by its owner');
    return ok(undefined);
  }

  async #move(tx: Tx, verb: ListingVerb, nodeId: string, ownerId: string): Promise<Result<'changed' | 'same'>> {
    const node = await lockNodeOfOwner(tx, nodeId, ownerId);
    if (!node) return notFound();
    const to = LISTING_MOVES[verb].to;
    if (node.listing === to && node.lifecycle !== 'retired') return ok('same');
    const refusal = mayMove(verb, node) ? undefined : whyNot(verb, node);
    if (refusal) return { ok: false, problem: refusal };
    await tx.hostNode.update({ where: { id: nodeId }, data: { listing: to } });
    await this.#audit(tx, node, ownerId, `node.${verb}`);
    // Only draining is part of what the agent is told.
    const tellsAgent = to === 'draining' || node.listing === 'draining';
    await (tellsAgent ? bumpGeneration(tx, nodeId) : refreshStatus(tx, [nodeId]));
    return ok(tellsAgent ? 'changed' : 'same');
  }

  async #audit(tx: Tx, node: NodeRow, actorId: string, action: string): Promise<void> {
    await emitEvent(tx, { name: 'AuditEvent', aggregateId: node.id, actorId, payload: { action, at: this.clock.now().toISOString() } });
  }
}

export const notFound = (): { ok: false; problem: Problem } => fail('not_found', { detail: 'You have no such node' });

function whyNot(verb: ListingVerb, node: NodeRow): Problem {
  if (node.lifecycle === 'retired') return fail('action_not_allowed', { detail: 'This node was retired' }).problem;
  if (node.lifecycle === 'quarantined') return fail('action_not_allowed', { detail: 'This node is quarantined; ask the operator of this market' }).problem;
  if (verb !== 'list') return fail('action_not_allowed', { detail: `Not possible while the node is ${node.listing}` }).problem;
  const failed = failedChecks(inventoryOf(node.specs));
  return fail('preflight_failed', {
    detail: `Failed: ${failed.map((check) => check.title).join('; ') || 'the machine has not been checked yet'}`,
    ...(failed[0] ? { hint: failed[0].remediation } : {}),
    facts: { failed: failed.map((check) => check.id).join(',') },
  }).problem;
}
