import {
  LIVE_FRAME,
  LIVE_RESYNC,
  LiveFrame,
  liveEvents,
  liveMessages,
  makeProblem,
  Problem,
  ProblemError,
  PROBLEM_EVENT,
  roomKind,
  type ExecCommand,
  type LiveAck,
  type LiveData,
  type LiveEvents,
  type LiveMessageName,
  type LiveMessages,
  type LiveRoom,
  type LiveRoomKind,
  type LiveTicket,
} from '@muster/shared-types';
import { io, type Socket } from 'socket.io-client';
import type { z } from 'zod';
import { ExecSession, type ExecHandlers } from './exec.js';

export interface LiveOptions {
  /** A fresh ticket, asked for at every connect: `() => client.call('createLiveTicket', {})`. */
  ticket: () => Promise<LiveTicket>;
  /** Base URL to dial instead of the ticket's. */
  url?: string;
  /** Sent with the handshake; only programs can, browsers cannot. */
  headers?: Record<string, string>;
  /** Milliseconds before a lost connection is dialled again: first, and at most. Default 250 and 5 000. */
  redialMs?: { first: number; most: number };
}

/** `ended`: closed here, or no ticket is to be had any more (`problem` says why). While `waiting`, ask the API from time to time. */
export type LiveState = 'connecting' | 'live' | 'waiting' | 'ended';

/** A frame of a room of this kind, with what its event carries. */
export type FrameOf<K extends LiveRoomKind> = { [E in keyof LiveEvents[K] & string]: Omit<LiveFrame, 'event' | 'data'> & { event: E; data: LiveData<K, E> } }[keyof LiveEvents[K] & string];
export type KindOf<R extends LiveRoom> = R extends `${infer K extends LiveRoomKind}:${string}` ? K : R extends 'market' ? 'market' : LiveRoomKind;

export interface RoomListener<K extends LiveRoomKind> {
  onFrame: (frame: FrameOf<K>) => void;
  /** Ask the API: this is the first subscription, or frames were lost while away. */
  onResync?: () => void;
  /** The room is not for this account, or not there. */
  onRefused?: (problem: Problem) => void;
}

interface Room {
  last: number | undefined;
  listeners: Set<RoomListener<LiveRoomKind>>;
}

const FIRST_MS = 250;
const MOST_MS = 5_000;
const ACK_MS = 15_000;

/** The live socket of a market: rooms survive a lost connection, commands do not. */
export class LiveClient {
  #socket: Socket | undefined;
  #state: LiveState = 'connecting';
  #redialMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #lastProblem: Problem | undefined;
  readonly #rooms = new Map<LiveRoom, Room>();
  readonly #execs = new Map<string, ExecSession>();
  readonly #watchers = new Set<(state: LiveState, problem?: Problem) => void>();

  constructor(private readonly options: LiveOptions) {
    this.#redialMs = options.redialMs?.first ?? FIRST_MS;
    void this.#dial();
  }

  get state(): LiveState {
    return this.#state;
  }

  /** Told of every change of state. Returns the way to stop listening. */
  onState(watcher: (state: LiveState, problem?: Problem) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** Listens to a room until the returned function is called. Frames come in order, each once. */
  subscribe<R extends LiveRoom>(room: R, listener: RoomListener<KindOf<R>>): () => void {
    const known = this.#rooms.get(room);
    const entry: Room = known ?? { last: undefined, listeners: new Set() };
    const own = listener as unknown as RoomListener<LiveRoomKind>;
    entry.listeners.add(own);
    this.#rooms.set(room, entry);
    if (!known && this.#state === 'live') void this.#join(room, entry);
    if (known?.last !== undefined) own.onResync?.();
    return () => this.#leave(room, entry, own);
  }

  /** Runs a command in an instance. Throws a ProblemError when it is refused or there is no connection. */
  async exec(command: z.input<typeof ExecCommand>, handlers: ExecHandlers): Promise<ExecSession> {
    const early: unknown[] = [];
    const collect = (frame: unknown): void => void early.push(frame);
    const socket = this.#socket;
    socket?.on('exec_data', collect);
    try {
      const opened = await this.#ask('exec_open', command);
      const session = new ExecSession(opened.stream_id, handlers, (name, payload) => void socket?.emit(name, payload), () => this.#execs.delete(opened.stream_id));
      this.#execs.set(opened.stream_id, session);
      for (const frame of early) if (isOf(frame, opened.stream_id)) session.received(frame);
      return session;
    } finally {
      socket?.off('exec_data', collect);
    }
  }

  /** Ends the connection and everything that runs over it. */
  close(): void {
    clearTimeout(this.#timer);
    this.#enter('ended');
    this.#drop();
  }

  async #dial(): Promise<void> {
    if (this.#state !== 'connecting') this.#enter('connecting');
    try {
      const { ticket, url } = await this.options.ticket();
      if (this.#hasEnded()) return;
      this.#listen(this.#connect(this.options.url === undefined ? url : new URL(new URL(url).pathname, this.options.url).href, ticket));
    } catch (error) {
      const problem = error instanceof ProblemError ? error.problem : undefined;
      if (problem && !problem.retryable) return this.#enter('ended', problem);
      this.#later();
    }
  }

  #connect(url: string, ticket: string): Socket {
    const { headers } = this.options;
    return io(url, { transports: ['websocket'], auth: { ticket }, reconnection: false, forceNew: true, timeout: 10_000, ...(headers ? { extraHeaders: headers } : {}) });
  }

  #listen(socket: Socket): void {
    this.#socket = socket;
    const lost = (): void => {
      if (this.#socket !== socket) return;
      this.#drop();
      this.#later();
    };
    socket.on('connect', () => this.#connected());
    socket.on('connect_error', lost);
    socket.on('disconnect', lost);
    socket.on(PROBLEM_EVENT, (raw: unknown) => (this.#lastProblem = Problem.safeParse(raw).data));
    socket.on(LIVE_FRAME, (raw: unknown) => this.#frame(raw));
    socket.on(LIVE_RESYNC, (raw: { room?: LiveRoom; seq?: number }) => this.#resync(raw));
    socket.on('exec_data', (raw: unknown) => {
      const id = (raw as { stream_id?: unknown } | null)?.stream_id;
      if (typeof id === 'string') this.#execs.get(id)?.received(raw);
    });
  }

  #connected(): void {
    this.#redialMs = this.options.redialMs?.first ?? FIRST_MS;
    this.#lastProblem = undefined;
    this.#enter('live');
    for (const [room, entry] of this.#rooms) void this.#join(room, entry);
  }

  /** A refusal is told to the listeners; what merely did not work is tried again with the next connection. */
  async #join(room: LiveRoom, entry: Room): Promise<void> {
    const socket = this.#socket;
    try {
      const { seq, resync } = await this.#ask('subscribe', { room, ...(entry.last === undefined ? {} : { since: entry.last }) });
      if (entry.last === undefined || entry.last < seq || resync) entry.last = seq;
      if (resync) for (const listener of entry.listeners) listener.onResync?.();
    } catch (error) {
      if (error instanceof ProblemError && !error.problem.retryable) for (const listener of entry.listeners) listener.onRefused?.(error.problem);
      else if (socket === this.#socket) socket?.disconnect();
    }
  }

  #leave(room: LiveRoom, entry: Room, listener: RoomListener<LiveRoomKind>): void {
    entry.listeners.delete(listener);
    if (entry.listeners.size > 0 || this.#rooms.get(room) !== entry) return;
    this.#rooms.delete(room);
    if (this.#state === 'live') this.#socket?.emit('unsubscribe', { room });
  }

  #frame(raw: unknown): void {
    const frame = LiveFrame.safeParse(raw);
    const entry = frame.success ? this.#rooms.get(frame.data.room) : undefined;
    if (!frame.success || !entry || (entry.last !== undefined && frame.data.seq <= entry.last)) return;
    entry.last = frame.data.seq;
    const schemas: Record<string, z.ZodType> = liveEvents[roomKind(frame.data.room)];
    const data = schemas[frame.data.event]?.safeParse(frame.data.data);
    // An event of a newer market is none of ours.
    if (!data?.success) return;
    const known = { ...frame.data, data: data.data } as FrameOf<LiveRoomKind>;
    for (const listener of entry.listeners) listener.onFrame(known);
  }

  #resync({ room, seq }: { room?: LiveRoom; seq?: number }): void {
    const entry = room === undefined ? undefined : this.#rooms.get(room);
    if (!entry || typeof seq !== 'number') return;
    entry.last = seq;
    for (const listener of entry.listeners) listener.onResync?.();
  }

  async #ask<K extends LiveMessageName>(name: K, payload: z.input<LiveMessages[K]['payload']>): Promise<Extract<LiveAck<K>, { ok: true }>> {
    const socket = this.#socket;
    if (!socket?.connected) throw new ProblemError(this.#lastProblem ?? makeProblem('unavailable', { detail: 'There is no live connection to the market' }));
    const answer: unknown = await socket.timeout(ACK_MS).emitWithAck(name, payload).catch(() => undefined);
    const parsed = liveMessages[name].ack.safeParse(answer);
    if (!parsed.success) throw new ProblemError(makeProblem('unavailable', { detail: 'The market did not answer' }));
    if (!parsed.data.ok) throw new ProblemError(parsed.data.problem);
    return parsed.data as Extract<LiveAck<K>, { ok: true }>;
  }

  #drop(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    for (const session of this.#execs.values()) session.lost();
    socket?.disconnect();
  }

  #later(): void {
    if (this.#hasEnded()) return;
    this.#enter('waiting', this.#lastProblem);
    const waitMs = this.#redialMs * (0.75 + Math.random() / 2);
    this.#redialMs = Math.min(this.options.redialMs?.most ?? MOST_MS, this.#redialMs * 2);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#dial(), waitMs);
  }

  #hasEnded(): boolean {
    return this.#state === 'ended';
  }

  #enter(state: LiveState, problem?: Problem): void {
    if (this.#hasEnded()) return;
    this.#state = state;
    for (const watcher of this.#watchers) watcher(state, problem);
  }
}

const isOf = (frame: unknown, streamId: string): boolean => (frame as { stream_id?: unknown } | null)?.stream_id === streamId;
