import type { DesiredState } from '@muster/shared-types';
import type { Socket } from 'socket.io';
import { Bucket } from './message.rules.js';

/** A busy agent with eight instances sends a few messages a second; pulls report often for a while. */
const BURST = 300;
const PER_SECOND = 60;
/** Output of commands, counted apart so that it never takes the place of a heartbeat: 32 MiB/s at most. */
const EXEC_BURST = 2_000;
const EXEC_PER_SECOND = 1_000;
/** Larger messages are answered `payload_too_large`. Inventory, the largest, stays below a tenth of it. */
export const MAX_MESSAGE_CHARS = 512 * 1024;

/** The node key has been proven on this socket. */
export interface Proof {
  nodeId: string;
  ownerId: string;
  /** `connectionEpoch` that this connect got: the greatest is the live one. */
  epoch: bigint;
  /** End of the tunnel token that the agent holds, as it says. */
  tokenExpiresAt?: Date;
}

/** One agent socket, from handshake to disconnect. */
export class AgentSession {
  proof: Proof | undefined;
  /** Another socket has proven the same node: nothing from this one counts any more. */
  superseded = false;
  /** Newest generation that this replica knows for the proven node. */
  generation = 0n;
  readonly bucket: Bucket;
  readonly execBucket: Bucket;
  /** Messages that change state are handled one after the other, in the order of arrival. */
  queue: Promise<unknown> = Promise.resolve();
  /** Last desired state sent, when it orders nothing: the same one is sent again while the generation stands still. */
  idleDoc: DesiredState | undefined;
  /** Monotonic milliseconds. */
  desiredDueMs = Infinity;
  tokenDueMs = Infinity;
  keyCheckDueMs = Infinity;
  /** A node of this owner that beats here without a proof, as it was looked up last. */
  unproven: { nodeId: string; generation: bigint; checkedMs: number } | undefined;
  /** Frames above the limit that have arrived and whose message has not been handled yet. */
  #bigFrames = 0;

  constructor(
    readonly socket: Socket,
    readonly ownerId: string,
    readonly apiKeyId: string,
    readonly authorization: string,
    nowMs: number,
  ) {
    this.bucket = new Bucket(BURST, PER_SECOND, nowMs);
    this.execBucket = new Bucket(EXEC_BURST, EXEC_PER_SECOND, nowMs);
    socket.conn.on('packet', (packet: { data?: unknown }) => {
      if (typeof packet.data === 'string' && packet.data.length > MAX_MESSAGE_CHARS) this.#bigFrames += 1;
    });
  }

  /** Measures only after a frame above the limit came in: the usual message costs nothing. */
  isTooLarge(data: unknown): boolean {
    if (this.#bigFrames === 0) return false;
    this.#bigFrames -= 1;
    return (JSON.stringify(data) ?? '').length > MAX_MESSAGE_CHARS;
  }
}
