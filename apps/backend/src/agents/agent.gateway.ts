import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { fail, ProblemError, type Problem } from '@muster/shared-types';
import type { Socket } from 'socket.io';
import { Config } from '../config.js';
import { Authenticator } from '../identity/authenticator.js';
import { isDatabaseDown } from '../platform/db-errors.js';
import { AgentEntry, type Admitted } from './agent-entry.gateway.js';
import { AgentSockets } from './agent-sockets.js';

/** Namespace `/agent`: host API key at the handshake, challenge at once, then messages until the socket ends. */
@Injectable()
export class AgentGateway implements OnModuleInit {
  readonly #log = new Logger('AgentGateway');

  constructor(
    private readonly config: Config,
    private readonly sockets: AgentSockets,
    private readonly authenticator: Authenticator,
    private readonly entry: AgentEntry,
  ) {}

  onModuleInit(): void {
    const here = this.config.has('gateway');
    this.sockets.namespace.use((socket, next) => void (here ? this.#admit(socket) : elsewhere()).then((problem) => next(problem && connectError(problem))));
    this.sockets.namespace.on('connection', (socket) => this.entry.handleConnection(socket));
  }

  /** Undefined when the socket may stay. */
  async #admit(socket: Socket): Promise<Problem | undefined> {
    const authorization = socket.handshake.headers.authorization;
    try {
      const who = await this.authenticator.authenticate(authorization);
      if (!who.ok) return who.problem;
      if (who.value.kind !== 'host') return fail('forbidden', { detail: 'This needs a host API key (msh_…)' }).problem;
      socket.data = { ownerId: who.value.ownerId, apiKeyId: who.value.apiKeyId, authorization: authorization ?? '' } satisfies Admitted;
      return undefined;
    } catch (error) {
      if (isDatabaseDown(error)) return fail('unavailable').problem;
      this.#log.error({ err: error }, 'a handshake failed');
      return fail('internal').problem;
    }
  }
}

/** A process without the role still speaks to sockets of others through the adapter; it takes none itself. */
const elsewhere = (): Promise<Problem> => Promise.resolve(fail('unavailable', { detail: 'This process serves no agents' }).problem);

/** Socket.IO hands `data` of a refused handshake to the client's `connect_error`. */
const connectError = (problem: Problem): Error => Object.assign(new ProblemError(problem), { data: problem });
