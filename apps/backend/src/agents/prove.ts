import { randomBytes } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { agentMessages, connectStatement, fail, ok, type Payload, type Result } from '@muster/shared-types';
import { provesKey } from '../fleet/node-key.rules.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import type { AgentSession, Proof } from './agent-session.js';
import { AgentSockets } from './agent-sockets.js';
import { ClusterId } from './cluster-id.js';
import { Connects } from './connects.store.js';

const ANSWER_TIMEOUT_MS = 10_000;

/** Challenges a socket to prove a node key. A client that never answers stays as it is: it may beat, and nothing else. */
@Injectable()
export class Prove {
  readonly #log = new Logger('Prove');

  constructor(
    private readonly db: Db,
    private readonly connects: Connects,
    private readonly sockets: AgentSockets,
    private readonly cluster: ClusterId,
    private readonly clock: Clock,
  ) {}

  /** Undefined when the socket did not answer. The nonce lives in this call only, so an answer counts once. */
  async run(session: AgentSession): Promise<Result<Proof> | undefined> {
    const nonce = randomBytes(32).toString('base64url');
    const challenge: Payload<'challenge'> = { nonce, cluster_id: await this.cluster.get(), server_time: this.clock.now().toISOString() };
    const answer = await this.sockets.ask(session, 'challenge', challenge, ANSWER_TIMEOUT_MS);
    if (answer === undefined) return undefined;
    const parsed = agentMessages.challenge.ack.safeParse(answer);
    if (!parsed.success) return fail('invalid_request', { detail: 'The answer to the challenge is malformed' });
    if (!parsed.data.ok) return undefined;
    const { node_id: nodeId, signature, tunnel_token_expires_at: tokenExpiresAt } = parsed.data;
    const proof = await this.#check(session.ownerId, nodeId, connectStatement(nonce, nodeId), signature);
    if (!proof.ok) this.#log.warn({ node_id: nodeId, owner_id: session.ownerId, code: proof.problem.code }, 'a socket failed to prove a node');
    return proof.ok && tokenExpiresAt !== undefined ? ok({ ...proof.value, tokenExpiresAt: new Date(tokenExpiresAt) }) : proof;
  }

  async #check(ownerId: string, nodeId: string, statement: string, signature: string): Promise<Result<Proof>> {
    const node = await this.connects.key(nodeId);
    if (node?.ownerId !== ownerId) return fail('not_found', { detail: 'This account has no such node' });
    if (node.publicKey === null || !provesKey(node.publicKey, statement, signature)) return fail('bad_signature');
    if (node.lifecycle === 'retired' && !(await this.#holdsRentals(nodeId))) return fail('action_not_allowed', { detail: 'This node was retired' });
    return ok({ nodeId, ownerId, epoch: await this.connects.nextEpoch(nodeId) });
  }

  /** A retired node is heard until its last container is reported gone: only that frees the claims. */
  async #holdsRentals(nodeId: string): Promise<boolean> {
    return (await this.db.client.rental.count({ where: { nodeId, releasedAt: null } })) > 0;
  }
}
