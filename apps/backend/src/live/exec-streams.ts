import { Injectable, Logger, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { base64Bytes, EXEC_LIMITS, fail, ok, type ExecCommand, type ExecData, type ExecResize, type Problem, type Result } from '@muster/shared-types';
import { NodeStreams } from '../agents/node-streams.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { emitEvent, EVENTS_CHANNEL, Outbox } from '../platform/outbox.js';
import { Redis } from '../platform/redis.js';
import { withTx } from '../platform/tx.js';
import { execPlace } from './live-rows.store.js';
import type { LiveSession } from './live-session.js';

type Nack = { ok: false; problem: Problem };

/** One command that runs, or is about to. */
interface Stream {
  id: string;
  session: LiveSession;
  rentalId: string;
  nodeId: string;
  openedMs: number;
  /** Bytes on their way that the other end has not given back. */
  stdinOut: number;
  outputOut: number;
  /** Frames that came before the person knows of the stream; null afterwards. */
  held: ExecData[] | null;
}

/** A sender that keeps to its window is never above it; frames of credit may cross. */
const OVER_WINDOW = EXEC_LIMITS.windowBytes + EXEC_LIMITS.chunkBytes;

/**
 * Commands that people of this replica run in their instances. Invariant: a frame goes from a person to a node and back only
 * within a stream that was opened by this very socket for a rental of its account on that very node.
 */
@Injectable()
export class ExecStreams implements OnModuleInit, BeforeApplicationShutdown {
  readonly #log = new Logger('ExecStreams');
  readonly #streams = new Map<string, Stream>();
  readonly #audits = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Db,
    private readonly nodes: NodeStreams,
    private readonly outbox: Outbox,
    private readonly redis: Redis,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.nodes.listen((nodeId, frame) => this.#fromNode(nodeId, frame));
    void this.redis.subscribe(EVENTS_CHANNEL, (text) => this.#event(JSON.parse(text) as { name: string; aggregateId: string }));
    this.#timer = setInterval(() => this.#sayAlive(), EXEC_LIMITS.aliveEveryMs);
    this.#timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    for (const stream of this.#streams.values()) this.#cut(stream, 'The market is restarting');
    await Promise.all(this.#audits);
  }

  /** Resolves when the command runs. `not_found`, `action_not_allowed`, `rate_limited`, `node_unreachable`, `node_not_ready`. */
  async open(session: LiveSession, command: ExecCommand): Promise<Result<string>> {
    const place = await execPlace(this.db.client, session.who.userId, command.rental_id);
    if (!place) return fail('not_found', { detail: 'This account has no such rental' });
    if (place.status !== 'running') return fail('action_not_allowed', { detail: `The rental is ${place.status}; commands run in it only while it runs` });
    const full = this.#full(session, command.rental_id);
    if (full) return full;
    const stream = this.#begin(session, command.rental_id, place.nodeId);
    try {
      await this.#audit(stream, 'exec.opened', { tty: command.tty });
      const opened = await this.nodes.open(stream.nodeId, { ...command, stream_id: stream.id });
      return opened.ok ? this.#known(stream) : this.#refused(stream, opened);
    } catch (error) {
      this.#end(stream, { outcome: 'failed' });
      throw error;
    }
  }

  /** A frame from the person. Undefined when it was taken. */
  said(session: LiveSession, frame: ExecData): Nack | undefined {
    const stream = this.#of(session, frame.stream_id);
    if (!stream) return noSuchStream();
    if (frame.kind === 'exit' || frame.kind === 'alive' || (frame.kind === 'data' && frame.stream !== 'stdin')) return fail('invalid_request', { detail: 'Only the other end says that' });
    if (frame.kind === 'credit') stream.outputOut = Math.max(0, stream.outputOut - frame.bytes);
    if (frame.kind === 'data') stream.stdinOut += base64Bytes(frame.bytes);
    if (stream.stdinOut > OVER_WINDOW) {
      this.#cut(stream, 'More was sent than the window allows');
      return fail('rate_limited', { detail: 'More was sent than the window allows' });
    }
    this.nodes.send(stream.nodeId, frame);
    if (frame.kind === 'close') this.#end(stream, { outcome: 'closed' });
    return undefined;
  }

  resized(session: LiveSession, size: ExecResize): Nack | undefined {
    const stream = this.#of(session, size.stream_id);
    if (!stream) return noSuchStream();
    this.nodes.resize(stream.nodeId, size);
    return undefined;
  }

  /** The person has gone: so do their commands. */
  left(session: LiveSession): void {
    for (const stream of this.#streams.values()) {
      if (stream.session !== session) continue;
      this.nodes.send(stream.nodeId, { kind: 'close', stream_id: stream.id });
      this.#end(stream, { outcome: 'disconnected' });
    }
  }

  #begin(session: LiveSession, rentalId: string, nodeId: string): Stream {
    const stream: Stream = { id: this.nodes.newId(), session, rentalId, nodeId, openedMs: this.clock.now().getTime(), stdinOut: 0, outputOut: 0, held: [] };
    this.#streams.set(stream.id, stream);
    return stream;
  }

  /** After its answer is on the way: what came meanwhile follows it. */
  #known(stream: Stream): Result<string> {
    if (!stream.session.socket.connected) {
      this.nodes.send(stream.nodeId, { kind: 'close', stream_id: stream.id });
      return fail('unavailable', { detail: 'The connection went while the command was started' });
    }
    setImmediate(() => {
      const held = stream.held ?? [];
      stream.held = null;
      for (const frame of held) stream.session.emit('exec_data', frame);
    });
    return ok(stream.id);
  }

  #refused(stream: Stream, refusal: Nack): Nack {
    this.#end(stream, { outcome: 'refused', code: refusal.problem.code });
    return refusal;
  }

  #fromNode(nodeId: string, frame: ExecData): void {
    const stream = this.#streams.get(frame.stream_id);
    if (stream?.nodeId !== nodeId) return this.#unknown(nodeId, frame);
    if (frame.kind === 'credit') stream.stdinOut = Math.max(0, stream.stdinOut - frame.bytes);
    else if (frame.kind === 'data') stream.outputOut += base64Bytes(frame.bytes);
    else if (frame.kind !== 'exit') return;
    if (stream.outputOut > OVER_WINDOW) return this.#cut(stream, 'The machine sent more than the window allows');
    this.#toPerson(stream, frame);
    if (frame.kind === 'exit') this.#end(stream, { outcome: 'exited', exit_code: frame.exit_code });
  }

  /** A node that goes on sending into a stream that is over is told so; what is not its own is dropped. */
  #unknown(nodeId: string, frame: ExecData): void {
    if (frame.kind === 'data' && !this.#streams.has(frame.stream_id)) this.nodes.send(nodeId, { kind: 'close', stream_id: frame.stream_id });
  }

  #toPerson(stream: Stream, frame: ExecData): void {
    if (stream.held) stream.held.push(frame);
    else stream.session.emit('exec_data', frame);
  }

  #cut(stream: Stream, message: string): void {
    this.nodes.send(stream.nodeId, { kind: 'close', stream_id: stream.id });
    this.#toPerson(stream, { kind: 'exit', stream_id: stream.id, exit_code: null, message });
    this.#end(stream, { outcome: 'cut' });
  }

  #end(stream: Stream, how: { outcome: string; exit_code?: number | null; code?: string }): void {
    if (!this.#streams.delete(stream.id)) return;
    const seconds = Math.round((this.clock.now().getTime() - stream.openedMs) / 1_000);
    const audit = this.#audit(stream, 'exec.closed', { ...how, seconds }).catch((error: unknown) => this.#log.warn({ err: error, rental_id: stream.rentalId }, 'the end of a command was not recorded'));
    this.#audits.add(audit);
    void audit.finally(() => this.#audits.delete(audit));
  }

  /** Who, where, when and how long; never what was typed. */
  async #audit({ rentalId, session, id }: Stream, action: string, more: Record<string, string | number | boolean | null>): Promise<void> {
    const payload = { action, stream_id: id, by: session.who.apiKeyId === undefined ? 'session' : 'api_key', ...more };
    await withTx(this.db, (tx) => emitEvent(tx, { name: 'AuditEvent', aggregateId: rentalId, actorId: session.who.userId, payload }));
    this.outbox.wake();
  }

  #of(session: LiveSession, streamId: string): Stream | undefined {
    const stream = this.#streams.get(streamId);
    return stream?.session === session ? stream : undefined;
  }

  #full(session: LiveSession, rentalId: string): Nack | undefined {
    const all = [...this.#streams.values()];
    if (all.filter((stream) => stream.rentalId === rentalId).length >= EXEC_LIMITS.streamsPerRental) return tooMany(EXEC_LIMITS.streamsPerRental, 'a rental');
    if (all.filter((stream) => stream.session === session).length >= EXEC_LIMITS.streamsPerSocket) return tooMany(EXEC_LIMITS.streamsPerSocket, 'a connection');
    return undefined;
  }

  #event({ name, aggregateId }: { name: string; aggregateId: string }): void {
    if (name !== 'RentalEnded' && name !== 'RentalStopped') return;
    for (const stream of this.#streams.values()) if (stream.rentalId === aggregateId) this.#cut(stream, name === 'RentalEnded' ? 'The rental has ended' : 'The rental was stopped');
  }

  #sayAlive(): void {
    for (const stream of this.#streams.values()) this.nodes.send(stream.nodeId, { kind: 'alive', stream_id: stream.id });
  }
}

const noSuchStream = (): Nack => fail('not_found', { detail: 'This connection has no such stream' });
const tooMany = (limit: number, of: string): Nack => fail('rate_limited', { detail: `${of} may have ${limit} commands running this way at a time` });
