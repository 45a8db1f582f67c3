import { Injectable, Logger } from '@nestjs/common';
import type { Socket } from 'socket.io';
import { AgentSession } from './agent-session.js';
import { AgentSockets } from './agent-sockets.js';
import { Connects } from './connects.store.js';
import { Dispatch } from './dispatch.gateway.js';
import { Prove } from './prove.js';
import { Upkeep } from './upkeep.js';

/** What the handshake found out. */
export interface Admitted {
  ownerId: string;
  apiKeyId: string;
  authorization: string;
}

/** What happens on one admitted socket. */
@Injectable()
export class AgentEntry {
  readonly #log = new Logger('AgentGateway');

  constructor(
    private readonly connects: Connects,
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
    if (session.superseded) return;
    if (await this.#newerExists(proof.value)) return this.sockets.supersede(session);
    this.#log.log({ node_id: proof.value.nodeId, epoch: proof.value.epoch.toString() }, 'node connected');
    await this.upkeep.begin(session, proof.value.nodeId);
  }

  /** Two proofs at once: the announcement of the newer may have come before this one was listed here. */
  async #newerExists({ nodeId, epoch }: { nodeId: string; epoch: bigint }): Promise<boolean> {
    return (await this.connects.newestEpoch(nodeId)) > epoch;
  }
}
