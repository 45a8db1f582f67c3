import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { ExecData, fail, ok, Uuid, type ExecOpen, type ExecResize, type ExecStreamId, type Result } from '@muster/shared-types';
import { z } from 'zod';
import { Redis } from '../platform/redis.js';
import { AgentSockets } from './agent-sockets.js';
import { NodePush } from './node-push.js';

const OPEN_MS = 15_000;
const Relayed = z.object({ node_id: Uuid, frame: ExecData });
const channelOf = (replicaId: string): string => `exec:${replicaId}`;

/** Hears frames of the streams that this replica opened, under the node that proved to be their sender. */
export type StreamListener = (nodeId: string, frame: ExecData) => void;

/**
 * Streams of commands between whoever opened them and the node, each on its own replica. A stream's id begins with the
 * replica that opened it, so its frames find the way back without a look-up. Order is kept: one sender, one channel.
 */
@Injectable()
export class NodeStreams implements OnModuleInit {
  readonly #log = new Logger('NodeStreams');
  readonly #replicaId = randomUUID();
  #listener: StreamListener | undefined;

  constructor(
    private readonly sockets: AgentSockets,
    private readonly push: NodePush,
    private readonly redis: Redis,
  ) {}

  onModuleInit(): void {
    void this.redis.subscribe(channelOf(this.#replicaId), (text) => {
      const { node_id: nodeId, frame } = Relayed.parse(JSON.parse(text));
      this.#listener?.(nodeId, frame);
    });
  }

  listen(listener: StreamListener): void {
    this.#listener = listener;
  }

  newId(): ExecStreamId {
    return `${this.#replicaId}.${randomUUID()}`;
  }

  /** Resolves when the command runs. `node_unreachable`, `node_not_ready` for an agent that cannot, or the agent's own problem. */
  async open(nodeId: string, open: ExecOpen): Promise<Result<void>> {
    const answer = await this.push.request(nodeId, 'exec_open', open, OPEN_MS);
    if (answer.ok) return ok(undefined);
    if (answer.problem.code === 'unknown_event') return fail('node_not_ready', { detail: 'The agent of this machine is too old for that' });
    return answer;
  }

  /** Waits for nobody; a node that has gone ends its streams by itself. */
  send(nodeId: string, frame: ExecData): void {
    this.sockets.post(nodeId, 'exec_data', frame);
  }

  resize(nodeId: string, size: ExecResize): void {
    this.sockets.post(nodeId, 'exec_resize', size);
  }

  /** A frame from a node whose key is proven. Nothing in here waits, so that frames stay in order. */
  received(nodeId: string, frame: ExecData): void {
    const replicaId = frame.stream_id.slice(0, 36);
    if (replicaId === this.#replicaId) {
      this.#listener?.(nodeId, frame);
      return;
    }
    this.redis.publish(channelOf(replicaId), JSON.stringify({ node_id: nodeId, frame })).catch((error: unknown) => this.#log.debug(`a frame was lost: ${String(error)}`));
  }
}
