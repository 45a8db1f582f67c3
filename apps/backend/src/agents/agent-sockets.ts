import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { AGENT_NAMESPACE, makeProblem, PROBLEM_EVENT, type FromServer, type Payload, type ProblemCode } from '@muster/shared-types';
import { Gauge } from 'prom-client';
import type { Namespace } from 'socket.io';
import { Revocations } from '../identity/revocations.js';
import { Metrics } from '../platform/metrics.js';
import type { AgentSession } from './agent-session.js';
import { SocketServer } from './socket-server.js';

const ACK_TIMEOUT_MS = 10_000;
const room = (nodeId: string): string => `node:${nodeId}`;
const SUPERSEDED = 'superseded';

/**
 * The agent sockets of this replica, and the way to those of others. Invariant: at most one proven session per node and
 * replica, the one with the greatest `connectionEpoch` seen; across replicas the greatest wins as soon as they hear of it,
 * and within a minute even when they do not (upkeep compares with Postgres).
 */
@Injectable()
export class AgentSockets implements OnModuleInit {
  readonly #log = new Logger('AgentSockets');
  readonly #sessions = new Set<AgentSession>();
  readonly #proven = new Map<string, AgentSession>();
  #namespace: Namespace | undefined;

  constructor(
    private readonly server: SocketServer,
    private readonly revocations: Revocations,
    metrics: Metrics,
  ) {
    const proven = this.#proven;
    new Gauge({
      name: 'muster_agents_connected',
      help: 'Nodes with a proven socket on this replica',
      registers: [metrics.registry],
      collect() {
        this.set(proven.size);
      },
    });
  }

  onModuleInit(): void {
    this.namespace.on(SUPERSEDED, (nodeId: string, epoch: string) => this.#supersede(nodeId, BigInt(epoch)));
    this.revocations.onKeyRevoked((apiKeyId) => this.#dropKey(apiKeyId));
  }

  get namespace(): Namespace {
    this.#namespace ??= this.server.of(AGENT_NAMESPACE);
    return this.#namespace;
  }

  all(): ReadonlySet<AgentSession> {
    return this.#sessions;
  }

  /** The live proven session of a node, if it is on this replica. */
  live(nodeId: string): AgentSession | undefined {
    return this.#proven.get(nodeId);
  }

  add(session: AgentSession): void {
    this.#sessions.add(session);
  }

  /** Forgets a socket that has gone. A newer one of the same node stays. */
  remove(session: AgentSession): void {
    this.#sessions.delete(session);
    const nodeId = session.proof?.nodeId;
    if (nodeId !== undefined && this.#proven.get(nodeId) === session) this.#proven.delete(nodeId);
  }

  /** Makes a session that has just proven its key the live one, here and on every replica. */
  async takeOver(session: AgentSession, nodeId: string, epoch: bigint): Promise<void> {
    this.#supersede(nodeId, epoch);
    if (this.#proven.has(nodeId)) return this.supersede(session);
    this.#proven.set(nodeId, session);
    await session.socket.join(room(nodeId));
    this.namespace.serverSideEmit(SUPERSEDED, nodeId, epoch.toString());
  }

  /** Sends to the node's live socket, wherever it is, and waits for nobody. */
  send<K extends FromServer>(nodeId: string, name: K, payload: Payload<K>): void {
    const session = this.#proven.get(nodeId);
    if (session) this.sendTo(session, name, payload);
    else this.namespace.to(room(nodeId)).emit(name, payload);
  }

  /** Like `send`, without asking whether it was taken: for streams, whose two ends notice by themselves. */
  post<K extends FromServer>(nodeId: string, name: K, payload: Payload<K>): void {
    const target = this.#proven.get(nodeId)?.socket ?? this.namespace.to(room(nodeId));
    target.emit(name, payload);
  }

  /** Sends; an agent that does not take the message is noted in the log. */
  sendTo<K extends FromServer>(session: AgentSession, name: K, payload: Payload<K>): void {
    void this.ask(session, name, payload, ACK_TIMEOUT_MS).then((answer) => {
      if (isOk(answer) || !session.socket.connected) return;
      this.#log.warn({ node_id: session.proof?.nodeId, event: name, answer: codeOf(answer) }, 'the agent did not take a message');
    });
  }

  /** The agent's raw ack, undefined when there is none in time. */
  async ask<K extends FromServer>(session: AgentSession, name: K, payload: Payload<K>, timeoutMs: number): Promise<unknown> {
    return session.socket.timeout(timeoutMs).emitWithAck(name, payload).catch(() => undefined);
  }

  /** Like `ask`, through the adapter: for a node whose socket is on another replica. */
  async askElsewhere<K extends FromServer>(nodeId: string, name: K, payload: Payload<K>, timeoutMs: number): Promise<unknown> {
    const broadcast = this.namespace.to(room(nodeId)).timeout(timeoutMs);
    const answers: unknown = await broadcast.emitWithAck(name, payload).catch(() => undefined);
    return Array.isArray(answers) ? (answers[0] as unknown) : undefined;
  }

  /** Tells a socket why and ends it. */
  drop(session: AgentSession, code: ProblemCode, detail?: string): void {
    session.socket.emit(PROBLEM_EVENT, makeProblem(code, detail === undefined ? {} : { detail }));
    session.socket.disconnect(true);
  }

  /** Ends the node's session here when a newer one exists. */
  #supersede(nodeId: string, epoch: bigint): void {
    const session = this.#proven.get(nodeId);
    if (session?.proof && session.proof.epoch < epoch) this.supersede(session);
  }

  supersede(session: AgentSession): void {
    session.superseded = true;
    this.remove(session);
    this.#log.log({ node_id: session.proof?.nodeId }, 'a newer socket of this node took over');
    this.drop(session, 'superseded');
  }

  #dropKey(apiKeyId: string): void {
    for (const session of this.#sessions) {
      if (session.apiKeyId === apiKeyId) this.drop(session, 'unauthenticated', 'This host API key was revoked');
    }
  }
}

const isOk = (answer: unknown): boolean => typeof answer === 'object' && answer !== null && 'ok' in answer && answer.ok === true;

function codeOf(answer: unknown): string {
  if (typeof answer !== 'object' || answer === null || !('problem' in answer)) return 'no answer';
  const { problem } = answer as { problem: { code?: unknown } | null };
  return typeof problem?.code === 'string' ? problem.code.slice(0, 50) : 'not readable';
}
