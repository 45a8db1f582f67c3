import { Injectable } from '@nestjs/common';
import { fail, HOST_SHUTDOWN, type AckOf, type FromAgent, type Inventory, type Payload, type Problem, type Result } from '@muster/shared-types';
import { applyInventory } from '../fleet/apply-inventory.js';
import { Heartbeats } from '../fleet/heartbeats.js';
import { Presence } from '../fleet/presence.js';
import { NodeTasks } from '../jobs/node-tasks.js';
import { AgentNews } from '../live/agent-news.js';
import { Db } from '../platform/db.js';
import { withTx } from '../platform/tx.js';
import { RentalProgress } from '../rentals/advance.js';
import { EndRental } from '../rentals/end.js';
import type { AgentSession, Proof } from './agent-session.js';
import { NodeStreams } from './node-streams.js';

type Nack = { ok: false; problem: Problem };
/** A message without a handler does not compile. Handlers of messages that need a proof get it. */
export type AgentHandlers = { [K in FromAgent]: (session: AgentSession, payload: Payload<K>) => Promise<AckOf<K> | Nack> };

const UNPROVEN_CHECK_MS = 60_000;
const OK = { ok: true } as const;

@Injectable()
export class Handlers {
  constructor(
    private readonly db: Db,
    private readonly heartbeats: Heartbeats,
    private readonly presence: Presence,
    private readonly progress: RentalProgress,
    private readonly endRental: EndRental,
    private readonly tasks: NodeTasks,
    private readonly streams: NodeStreams,
    private readonly news: AgentNews,
  ) {}

  readonly all: AgentHandlers = {
    heartbeat: async (session, payload) => {
      const node = await this.#beatingNode(session, payload.node_id);
      if (!node.ok) return node;
      if (node.value.proven) this.news.heartbeat(payload.node_id, payload);
      return this.heartbeats.beat({ heartbeat: payload, generation: node.value.generation, proven: node.value.proven, via: 'socket' });
    },
    inventory: (session, payload) => this.#ofOwnNode(session, payload.node_id, ({ nodeId }) => this.#inventory(nodeId, payload.inventory)),
    instance_update: async (session, payload) => {
      if (!session.proof) return fail('not_proven');
      const applied = await this.progress.applyInstanceUpdate(session.proof.nodeId, payload);
      if (!applied.ok) return applied;
      this.news.instance(payload);
      return OK;
    },
    task_update: async (session, payload) => {
      if (!session.proof) return fail('not_proven');
      const taken = await this.tasks.updates(session.proof.nodeId, payload.updates);
      return taken.ok ? OK : taken;
    },
    task_results: async (session, payload) => {
      if (session.proof?.nodeId !== payload.node_id) return fail('not_found', { detail: 'This socket speaks for another node' });
      const taken = await this.tasks.results(payload.node_id, payload);
      return taken.ok ? { ok: true, outcomes: taken.value } : taken;
    },
    exec_data: (session, payload) => {
      if (!session.proof) return Promise.resolve(fail('not_proven'));
      this.streams.received(session.proof.nodeId, payload);
      return Promise.resolve(OK);
    },
    goodbye: (session, payload) => this.#ofOwnNode(session, payload.node_id, ({ nodeId }) => this.#goodbye(nodeId, payload.reason)),
  };

  async #ofOwnNode(session: AgentSession, nodeId: string, run: (proof: Proof) => Promise<void>): Promise<typeof OK | Nack> {
    if (session.proof?.nodeId !== nodeId) return fail('not_found', { detail: 'This socket speaks for another node' });
    await run(session.proof);
    return OK;
  }

  /** Offline first, so that nothing new is rented there; then what runs ends, when the machine takes it along. */
  async #goodbye(nodeId: string, reason: string): Promise<void> {
    await this.presence.goodbye(nodeId);
    if (reason !== HOST_SHUTDOWN) return;
    await this.endRental.endRentalsOfNode(nodeId, 'host_shutdown');
    await this.tasks.left(nodeId);
  }

  async #inventory(nodeId: string, inventory: Inventory): Promise<void> {
    await withTx(this.db, (tx) => applyInventory(tx, nodeId, inventory));
    this.tasks.changed(nodeId);
  }

  /** The proven node, or one of the same owner that beats without a proof; that one is looked up once a minute. */
  async #beatingNode(session: AgentSession, nodeId: string): Promise<Result<{ generation: bigint; proven: boolean }>> {
    if (session.proof?.nodeId === nodeId) return { ok: true, value: { generation: session.generation, proven: true } };
    const known = session.unproven;
    const now = performance.now();
    if (known?.nodeId === nodeId && now - known.checkedMs < UNPROVEN_CHECK_MS) return { ok: true, value: { generation: known.generation, proven: false } };
    const node = await this.db.client.hostNode.findFirst({
      where: { id: nodeId, ownerId: session.ownerId, lifecycle: { not: 'retired' } },
      select: { generation: true },
    });
    if (!node) return fail('not_found', { detail: 'This account has no such node' });
    session.unproven = { nodeId, generation: node.generation, checkedMs: now };
    return { ok: true, value: { generation: node.generation, proven: false } };
  }
}
