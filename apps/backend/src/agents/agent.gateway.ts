import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { fail, ProblemError, type Problem } from '@muster/shared-types';
import type { Socket } from 'socket.io';
import { Config } from '../config.js';
import { Authenticator } from '../identity/authenticator.js';
import { isDatabaseDown } from '../platform/db-errors.js';
import { Db } from '../platform/db.js';
import { AgentSession } from './agent-session.js';
import { AgentSockets } from './agent-sockets.js';
import { Dispatch } from './dispatch.js';
import { Prove } from './prove.js';
import { Upkeep } from './upkeep.js';

/** What the handshake found out. */
interface Admitted {
  ownerId: string;
  apiKeyId: string;
  authorization: string;
}

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
    if (!this.config.has('gateway')) return;
    this.sockets.namespace.use((socket, next) => void this.#admit(socket).then((problem) => next(problem && connectError(problem))));
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

/** What happens on one admitted socket. */
@Injectable()
export class AgentEntry {
  readonly #log = new Logger('AgentGateway');

  constructor(
    private readonly db: Db,
    private readonly sockets: AgentSockets,
    private readonly dispatch: Dispatch,
    private readonly prove: Prove,
    private readonly upkeep: Upkeep,
  ) {}

  /** Nothing thrown here may escape: no filter stands around it. */
  handleConnection(socket: Socket): void {
    const { ownerId, apiKeyId, authorization } = socket.data as Admitted;
    const session = new AgentSession(socket, ownerId, apiKeyId, authorization, performance.now());
    this.sockets.add(session);
    this.upkeep.watchKey(session);
    socket.on('disconnect', () => this.sockets.remove(session));
    this.dispatch.listen(session);
    this.#welcome(session).catch((error: unknown) => {
      this.#log.warn({ err: error, owner_id: ownerId }, 'a socket could not be welcomed; it has to dial again');
      this.sockets.drop(session, 'unavailable');
    });
  }

  async #welcome(session: AgentSession): Promise<void> {
    const proof = await this.prove.run(session);
    if (!proof) return;
    if (!proof.ok) return this.sockets.drop(session, proof.problem.code, proof.problem.detail);
    if (!session.socket.connected) return;
    session.proof = proof.value;
    await this.sockets.takeOver(session, proof.value.nodeId, proof.value.epoch);
    if (await this.#newerExists(proof.value)) return this.sockets.supersede(session);
    this.#log.log({ node_id: proof.value.nodeId, epoch: proof.value.epoch.toString() }, 'node connected');
    await this.upkeep.begin(session, proof.value.nodeId);
  }

  /** Two proofs at once: the announcement of the newer may have come before this one was listed here. */
  async #newerExists({ nodeId, epoch }: { nodeId: string; epoch: bigint }): Promise<boolean> {
    return (await this.db.client.hostNode.count({ where: { id: nodeId, connectionEpoch: { gt: epoch } } })) > 0;
  }
}

/** Socket.IO hands `data` of a refused handshake to the client's `connect_error`. */
const connectError = (problem: Problem): Error => Object.assign(new ProblemError(problem), { data: problem });
