import { Injectable, Logger, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { LIVE_FRAME, LIVE_LIMITS, LIVE_RESYNC, type LiveFrame, type LiveRoom } from '@muster/shared-types';
import { Redis } from '../platform/redis.js';
import { Interest } from './interest.js';
import type { LiveSession } from './live-session.js';
import { FRAMES_CHANNEL, Ring, type Opened } from './ring.js';
import { named, orderOf } from './room.rules.js';

const RENEW_EVERY_MS = 20_000;

/** One listener in one room. */
interface Member {
  asked: LiveRoom;
  /** Number of the newest frame that was handed to it. */
  last: number;
  /** Frames that came while its replay was being read; null afterwards. */
  held: LiveFrame[] | null;
}

interface Room {
  key: string;
  members: Map<LiveSession, Member>;
  /** Number of the newest frame that this replica saw; 0 before the first look. */
  last: number;
  /** A look into the ring is under way. */
  catching: Promise<void> | undefined;
}

export interface Subscribed {
  seq: number;
  resync: boolean;
}

/**
 * Who of this replica listens to what. Invariant: a member gets the frames of its room in order, each once, and none is
 * missing without a `resync`. What Redis did not carry to us is read from the ring at the next frame, at the latest within
 * 20 s.
 */
@Injectable()
export class Rooms implements OnModuleInit, BeforeApplicationShutdown {
  readonly #log = new Logger('LiveRooms');
  readonly #rooms = new Map<string, Room>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly redis: Redis,
    private readonly ring: Ring,
    private readonly interest: Interest,
  ) {}

  onModuleInit(): void {
    void this.redis.subscribe(FRAMES_CHANNEL, (text) => this.#arrived(text));
    this.#timer = setInterval(() => void this.renew(), RENEW_EVERY_MS);
    this.#timer.unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.#timer);
  }

  /** Rooms that somebody here listens to, by their own names. */
  keys(): string[] {
    return [...this.#rooms.keys()];
  }

  has(key: string): boolean {
    return this.#rooms.has(key);
  }

  /** Everything after `since` is handed over before this resolves; a second subscription replaces the first. Rejects while Redis is away. */
  async subscribe(session: LiveSession, key: string, asked: LiveRoom, since?: number): Promise<Subscribed> {
    const room = this.#roomOf(key);
    const member: Member = { asked, last: 0, held: [] };
    room.members.set(session, member);
    session.rooms.set(key, asked);
    try {
      this.interest.declare([key]);
      const opened = await this.ring.open(key, since);
      // Others here may still wait for frames below that number.
      if (room.last === 0) room.last = opened.seq;
      return begin(session, member, opened);
    } catch (error) {
      if (room.members.get(session) === member) this.leave(session, key);
      throw error;
    }
  }

  leave(session: LiveSession, key: string): void {
    session.rooms.delete(key);
    const room = this.#rooms.get(key);
    room?.members.delete(session);
    if (room?.members.size === 0) this.#rooms.delete(key);
  }

  leaveAll(session: LiveSession): void {
    for (const key of session.rooms.keys()) this.leave(session, key);
  }

  /** Keeps the rooms of this replica alive, and finds what was lost on the way here. */
  async renew(): Promise<void> {
    this.interest.declare(this.keys());
    await Promise.all([...this.#rooms.values()].map((room) => this.#catchUp(room)));
  }

  #roomOf(key: string): Room {
    const known = this.#rooms.get(key);
    if (known) return known;
    const room: Room = { key, members: new Map(), last: 0, catching: undefined };
    this.#rooms.set(key, room);
    return room;
  }

  #arrived(text: string): void {
    const frame = JSON.parse(text) as LiveFrame;
    const room = this.#rooms.get(frame.room);
    if (!room) return;
    const order = room.last === 0 ? 'next' : orderOf(room.last, frame.seq);
    if (order === 'gap') return void this.#catchUp(room);
    if (order === 'next') this.#deliver(room, frame);
  }

  #deliver(room: Room, frame: LiveFrame): void {
    room.last = frame.seq;
    for (const [session, member] of room.members) {
      if (member.held) hold(member.held, frame);
      else hand(session, member, frame);
    }
  }

  /** One look at a time. While Redis is away there is nothing to be had; the next look finds it. */
  #catchUp(room: Room): Promise<void> {
    room.catching ??= this.#read(room)
      .catch((error: unknown) => this.#log.debug(`a live room waits for Redis: ${String(error)}`))
      .finally(() => (room.catching = undefined));
    return room.catching;
  }

  async #read(room: Room): Promise<void> {
    const since = room.last;
    const opened = await this.ring.open(room.key, since === 0 ? undefined : since);
    if (!opened.covered && since !== 0) return this.#lost(room, opened.seq);
    for (const frame of opened.frames) if (orderOf(room.last, frame.seq) === 'next') this.#deliver(room, frame);
    room.last = Math.max(room.last, opened.seq);
  }

  #lost(room: Room, seq: number): void {
    room.last = seq;
    for (const [session, member] of room.members) {
      if (member.held) continue;
      member.last = seq;
      session.emit(LIVE_RESYNC, { room: member.asked, seq });
    }
  }
}

/** Replay, then what came meanwhile. */
function begin(session: LiveSession, member: Member, opened: Opened): Subscribed {
  member.last = opened.covered ? opened.seq - opened.frames.length : opened.seq;
  const frames = [...opened.frames, ...(member.held ?? [])];
  member.held = null;
  let resync = !opened.covered;
  for (const frame of frames) {
    resync ||= orderOf(member.last, frame.seq) === 'gap';
    hand(session, member, frame);
  }
  return { seq: member.last, resync };
}

/** More than a room remembers need not be held: whoever has a gap is told to look anew. */
function hold(held: LiveFrame[], frame: LiveFrame): void {
  held.push(frame);
  if (held.length > LIVE_LIMITS.ringFrames) held.shift();
}

function hand(session: LiveSession, member: Member, frame: LiveFrame): void {
  if (orderOf(member.last, frame.seq) === 'old') return;
  member.last = frame.seq;
  session.emit(LIVE_FRAME, named(frame, member.asked));
}
