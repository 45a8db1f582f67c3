import { makeProblem, PROBLEM_EVENT, type LiveRoom, type ProblemCode } from '@muster/shared-types';
import type { Socket } from 'socket.io';
import { Bucket } from '../agents/message.rules.js';
import type { UserPrincipal } from '../platform/principal.js';

const BURST = 300;
const PER_SECOND = 100;
/** Typing and pasting: a full window in both directions and its credit, several times a second. */
const EXEC_BURST = 2_000;
const EXEC_PER_SECOND = 1_000;
/** Packets that wait for a listener that reads too slowly; with more it is let go, and comes back for what it missed. */
const MAX_WAITING = 1_024;

/** One live socket, from its ticket to its end. */
export class LiveSession {
  /** By the room's own name: the name it was asked for by. */
  readonly rooms = new Map<string, LiveRoom>();
  readonly bucket: Bucket;
  readonly execBucket: Bucket;
  /** Monotonic milliseconds. */
  checkDueMs = Infinity;

  constructor(
    readonly socket: Socket,
    readonly who: UserPrincipal,
    nowMs: number,
  ) {
    this.bucket = new Bucket(BURST, PER_SECOND, nowMs);
    this.execBucket = new Bucket(EXEC_BURST, EXEC_PER_SECOND, nowMs);
  }

  /** Nothing piles up for a listener that does not read. */
  emit(event: string, data: unknown): void {
    if (!this.socket.connected) return;
    if (waiting(this.socket) > MAX_WAITING) return this.drop('rate_limited', 'This connection reads too slowly; connect again');
    this.socket.emit(event, data);
  }

  /** Says why, and ends the socket. */
  drop(code: ProblemCode, detail: string): void {
    this.socket.emit(PROBLEM_EVENT, makeProblem(code, { detail }));
    this.socket.disconnect(true);
  }
}

/** Packets that the transport has not taken yet. */
const waiting = (socket: Socket): number => (socket.conn as unknown as { writeBuffer: unknown[] }).writeBuffer.length;
