import { Injectable } from '@nestjs/common';
import { fail, LIVE_LIMITS, type LiveAck, type LiveMessageName, type LivePayload, type Problem } from '@muster/shared-types';
import { LiveAccess } from './access.js';
import { ExecStreams } from './exec-streams.js';
import type { LiveSession } from './live-session.js';
import { roomKeyOf } from './room.rules.js';
import { Rooms } from './rooms.js';
import { Watch } from './watch.js';

type Nack = { ok: false; problem: Problem };
/** A message without a handler does not compile. */
export type Handlers = { [K in LiveMessageName]: (session: LiveSession, payload: LivePayload<K>) => Promise<LiveAck<K> | Nack> };

const OK = { ok: true } as const;

@Injectable()
export class LiveHandlers {
  constructor(
    private readonly access: LiveAccess,
    private readonly rooms: Rooms,
    private readonly watch: Watch,
    private readonly execs: ExecStreams,
  ) {}

  readonly all: Handlers = {
    subscribe: async (session, { room, since }) => {
      const key = await this.access.room(session.who, room);
      if (!key.ok) return key;
      if (!session.rooms.has(key.value) && session.rooms.size >= LIVE_LIMITS.roomsPerSocket) return fail('rate_limited', { detail: `A socket may listen to ${LIVE_LIMITS.roomsPerSocket} rooms` });
      const { seq, resync } = await this.rooms.subscribe(session, key.value, room, since);
      if (!session.socket.connected) this.rooms.leaveAll(session);
      void this.watch.pass();
      return { ok: true, room, seq, resync };
    },
    unsubscribe: (session, { room }) => {
      this.rooms.leave(session, roomKeyOf(room, session.who.userId));
      return Promise.resolve(OK);
    },
    exec_open: async (session, command) => {
      const opened = await this.execs.open(session, command);
      return opened.ok ? { ok: true, stream_id: opened.value } : opened;
    },
    exec_data: (session, frame) => Promise.resolve(answered(this.execs.said(session, frame))),
    exec_resize: (session, size) => Promise.resolve(answered(this.execs.resized(session, size))),
  };
}

const answered = (problem: Nack | undefined): Nack | typeof OK => problem ?? OK;
