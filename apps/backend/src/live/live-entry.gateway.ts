import { Injectable, Logger, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Gauge } from 'prom-client';
import type { Socket } from 'socket.io';
import { Revocations } from '../identity/revocations.js';
import { Metrics } from '../platform/metrics.js';
import type { UserPrincipal } from '../platform/principal.js';
import { LiveAccess } from './access.js';
import { LiveDispatch } from './dispatch.gateway.js';
import { ExecStreams } from './exec-streams.js';
import { LiveSession } from './live-session.js';
import { Rooms } from './rooms.js';

const PASS_EVERY_MS = 1_000;
const CHECK_EVERY_MS = 30_000;
/** Tabs and programs of one account on one replica. */
const MAX_PER_ACCOUNT = 64;

/** The live sockets of this replica, from their ticket to their end. */
@Injectable()
export class LiveEntry implements OnModuleInit, BeforeApplicationShutdown {
  readonly #log = new Logger('LiveEntry');
  readonly #sessions = new Set<LiveSession>();
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly access: LiveAccess,
    private readonly rooms: Rooms,
    private readonly execs: ExecStreams,
    private readonly dispatch: LiveDispatch,
    private readonly revocations: Revocations,
    metrics: Metrics,
  ) {
    const sessions = this.#sessions;
    new Gauge({
      name: 'muster_live_sockets',
      help: 'Live sockets of people on this replica',
      registers: [metrics.registry],
      collect() {
        this.set(sessions.size);
      },
    });
  }

  onModuleInit(): void {
    this.revocations.onSessionRevoked((id) => this.#end((who) => who.sessionId === id));
    this.revocations.onKeyRevoked((id) => this.#end((who) => who.apiKeyId === id));
    this.#timer = setInterval(() => this.#tick(performance.now()), PASS_EVERY_MS);
    this.#timer.unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.#timer);
  }

  stillGood(who: UserPrincipal): Promise<boolean> {
    return this.access.stillGood(who);
  }

  /** Nothing thrown here may escape: no filter stands around it. */
  handleConnection(socket: Socket, who: UserPrincipal): void {
    const now = performance.now();
    const session = new LiveSession(socket, who, now);
    session.checkDueMs = now + CHECK_EVERY_MS;
    this.#sessions.add(session);
    socket.on('disconnect', () => this.#gone(session));
    this.dispatch.listen(session);
    if (this.#countOf(who.userId) > MAX_PER_ACCOUNT) session.drop('rate_limited', `An account may have ${MAX_PER_ACCOUNT} live sockets`);
  }

  #gone(session: LiveSession): void {
    this.#sessions.delete(session);
    this.rooms.leaveAll(session);
    this.execs.left(session);
  }

  #countOf(userId: string): number {
    return [...this.#sessions].filter((session) => session.who.userId === userId).length;
  }

  #end(matches: (who: UserPrincipal) => boolean): void {
    for (const session of this.#sessions) if (matches(session.who)) session.drop('session_expired', 'This session or key has ended');
  }

  /** A revocation that this replica did not hear of, an expiry, a suspended account. While Postgres is away the sockets stay. */
  #tick(nowMs: number): void {
    for (const session of this.#sessions) {
      if (session.checkDueMs > nowMs) continue;
      session.checkDueMs = nowMs + CHECK_EVERY_MS;
      this.access.stillGood(session.who).then(
        (good) => good || session.drop('session_expired', 'This session or key has ended'),
        (error: unknown) => this.#log.debug(`a live socket could not be checked: ${String(error)}`),
      );
    }
  }
}
