import { Injectable, Logger, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { DESIRED_STATE_EVERY_MS, TUNNEL_TOKEN_RENEW_EVERY_S } from '@muster/shared-types';
import { Authenticator } from '../identity/authenticator.js';
import { NodeTasks } from '../jobs/node-tasks.js';
import { Db } from '../platform/db.js';
import { TunnelTokens } from '../tunnels/tunnel-token.js';
import type { AgentSession } from './agent-session.js';
import { AgentSockets } from './agent-sockets.js';
import { NodePush } from './node-push.js';

const PASS_EVERY_MS = 1_000;
const KEY_CHECK_EVERY_MS = 60_000;
const TOKEN_EVERY_MS = TUNNEL_TOKEN_RENEW_EVERY_S * 1000;
/** A token that is good for longer than this can wait for its turn. */
const TOKEN_LONG_MS = 12 * TOKEN_EVERY_MS;

/** What every open agent socket gets from time to time: its desired state, a fresh tunnel token, a look at its key. */
@Injectable()
export class Upkeep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #log = new Logger('Upkeep');
  #timer: NodeJS.Timeout | undefined;
  #pass: Promise<void> | undefined;

  constructor(
    private readonly db: Db,
    private readonly sockets: AgentSockets,
    private readonly push: NodePush,
    private readonly tokens: TunnelTokens,
    private readonly authenticator: Authenticator,
    private readonly tasks: NodeTasks,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => this.#tick(), PASS_EVERY_MS);
    this.#timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    await this.#pass;
  }

  /**
   * First things after a proof: the truth for this node, the token that lets its frpc in, and the executions leased to it.
   * One that comes back with a good token gets the next in its turn: after a restart thousands come at once, and each token
   * is a signature.
   */
  async begin(session: AgentSession, nodeId: string): Promise<void> {
    const now = performance.now();
    session.desiredDueMs = now + DESIRED_STATE_EVERY_MS;
    const waits = (session.proof?.tokenExpiresAt?.getTime() ?? 0) - Date.now() > TOKEN_LONG_MS;
    session.tokenDueMs = now + TOKEN_EVERY_MS * (waits ? Math.random() : 1);
    await Promise.all([this.push.changed(nodeId), ...(waits ? [] : [this.#sendToken(session)])]);
    await this.tasks.connected(nodeId);
  }

  watchKey(session: AgentSession): void {
    session.keyCheckDueMs = performance.now() + KEY_CHECK_EVERY_MS;
  }

  /** One pass at a time: with Postgres away the sockets stay as they are. */
  #tick(): void {
    this.#pass ??= this.run(performance.now())
      .catch((error: unknown) => this.#complain(error))
      .finally(() => (this.#pass = undefined));
  }

  /** One slow or failing node holds up no other. */
  #aside(work: Promise<void>): void {
    work.catch((error: unknown) => this.#complain(error));
  }

  #complain(error: unknown): void {
    this.#log.warn(`upkeep of agent sockets waits: ${error instanceof Error ? error.message : String(error)}`);
  }

  /** `nowMs` is monotonic. */
  async run(nowMs: number): Promise<void> {
    const sessions = [...this.sockets.all()];
    await this.#checkKeys(sessions.filter((session) => session.keyCheckDueMs <= nowMs));
    await this.#resend(sessions.filter((session) => session.desiredDueMs <= nowMs), nowMs);
    for (const session of sessions.filter((each) => each.tokenDueMs <= nowMs)) {
      session.tokenDueMs = nowMs + TOKEN_EVERY_MS;
      this.#aside(this.#sendToken(session));
    }
  }

  async #resend(due: readonly AgentSession[], nowMs: number): Promise<void> {
    if (due.length === 0) return;
    const ids = due.flatMap((session) => (session.proof ? [session.proof.nodeId] : []));
    const rows = await this.db.client.hostNode.findMany({ where: { id: { in: ids } }, select: { id: true, generation: true, connectionEpoch: true } });
    const byId = new Map(rows.map((row) => [row.id, row]));
    for (const session of due) {
      session.desiredDueMs = nowMs + DESIRED_STATE_EVERY_MS;
      const row = byId.get(session.proof?.nodeId ?? '');
      if (!session.proof || !row) continue;
      if (row.connectionEpoch > session.proof.epoch) this.sockets.supersede(session);
      else this.#aside(this.#resendOne(session, session.proof.nodeId, row.generation));
    }
  }

  /** A node that has nothing to run gets the document it had, unless its generation moved. */
  async #resendOne(session: AgentSession, nodeId: string, generation: bigint): Promise<void> {
    const { idleDoc } = session;
    if (idleDoc && BigInt(idleDoc.generation) === generation) this.sockets.sendTo(session, 'desired_state', idleDoc);
    else await this.push.changed(nodeId);
  }

  async #sendToken(session: AgentSession): Promise<void> {
    if (!session.proof) return;
    const token = await this.tokens.mint(session.proof.nodeId);
    this.sockets.sendTo(session, 'tunnel_token', token);
  }

  /** A revocation that this replica did not hear of, or a key that expired. */
  async #checkKeys(due: readonly AgentSession[]): Promise<void> {
    const verdicts = new Map<string, boolean>();
    for (const session of due) {
      this.watchKey(session);
      const known = verdicts.get(session.apiKeyId) ?? (await this.authenticator.authenticate(session.authorization)).ok;
      verdicts.set(session.apiKeyId, known);
      if (!known) this.sockets.drop(session, 'unauthenticated', 'This host API key is no longer valid');
    }
  }
}
