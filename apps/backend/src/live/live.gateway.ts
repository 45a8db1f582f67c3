import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { fail, LIVE_NAMESPACE, ProblemError, type Problem } from '@muster/shared-types';
import type { Socket } from 'socket.io';
import { SocketServer } from '../agents/socket-server.js';
import { Config } from '../config.js';
import { isDatabaseDown } from '../platform/db-errors.js';
import type { UserPrincipal } from '../platform/principal.js';
import { Redis } from '../platform/redis.js';
import { LiveEntry } from './live-entry.gateway.js';
import { Tickets } from './tickets.js';

/** Namespace `/live`: where the page comes from and a ticket at the handshake, then requests and frames. */
@Injectable()
export class LiveGateway implements OnModuleInit {
  readonly #log = new Logger('LiveGateway');

  constructor(
    private readonly config: Config,
    private readonly server: SocketServer,
    private readonly tickets: Tickets,
    private readonly redis: Redis,
    private readonly entry: LiveEntry,
  ) {}

  onModuleInit(): void {
    const namespace = this.server.of(LIVE_NAMESPACE);
    namespace.use((socket, next) => void this.#admit(socket).then((problem) => next(problem && connectError(problem))));
    namespace.on('connection', (socket) => this.entry.handleConnection(socket, socket.data as UserPrincipal));
  }

  /** Undefined when the socket may stay. */
  async #admit(socket: Socket): Promise<Problem | undefined> {
    if (!this.config.has('api')) return fail('unavailable', { detail: 'This process serves no people' }).problem;
    const foreign = this.#foreignOrigin(socket);
    if (foreign !== undefined) return fail('forbidden', { detail: `Pages of ${foreign} may not open this socket`, hint: 'Name the origin of the web app in MUSTER_WEB_ORIGINS' }).problem;
    try {
      const who = await this.tickets.use((socket.handshake.auth as { ticket?: unknown }).ticket);
      if (!who || !(await this.entry.stillGood(who))) return fail('unauthenticated', { detail: 'This ticket is not good, or no longer', hint: 'Get a new one: POST /api/v1/live/tickets' }).problem;
      socket.data = who;
      return undefined;
    } catch (error) {
      if (isDatabaseDown(error) || this.redis.client.status !== 'ready') return fail('unavailable').problem;
      this.#log.error({ err: error }, 'a handshake failed');
      return fail('internal').problem;
    }
  }

  /** Browsers always say where a page comes from; programs, which no foreign page can make use of, say nothing. */
  #foreignOrigin(socket: Socket): string | undefined {
    const { origin } = socket.handshake.headers;
    if (origin === undefined || this.config.webOrigins.includes(origin) || origin === new URL(this.config.publicUrl).origin) return undefined;
    return origin.slice(0, 200);
  }
}

/** Socket.IO hands `data` of a refused handshake to the client's `connect_error`. */
const connectError = (problem: Problem): Error => Object.assign(new ProblemError(problem), { data: problem });
