import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable, Logger, type BeforeApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { GATE_NAMESPACE, Jwks, makeProblem, ProblemError, Uuid, type ProblemCode } from '@muster/shared-types';
import type { Namespace, Socket } from 'socket.io';
import { SocketServer } from '../agents/socket-server.js';
import { Config } from '../config.js';
import { Clock } from '../platform/clock.js';
import { Db } from '../platform/db.js';
import { SigningKeys } from '../platform/signing-keys.js';
import { GateLink, type TableSource } from './gate-link.js';
import { gateNode, gateNodes } from './gate-table.store.js';

/** A whole table again this often mends a change that was lost between replicas. */
const WHOLE_TABLE_EVERY_MS = 60_000;
const NODE_CHANGED = 'node_changed';
const KEYS_CHANGED = 'keys_changed';

/**
 * Backend → tunnel gate. A gate dials namespace `/gate` of any replica; the replica that has its socket sends it the
 * whole table at once, each change as it is committed, and the whole table again every minute.
 */
@Injectable()
export class GatePush implements OnModuleInit, BeforeApplicationShutdown {
  readonly #log = new Logger('GatePush');
  readonly #links = new Set<GateLink>();
  #namespace: Namespace | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly server: SocketServer,
    private readonly db: Db,
    private readonly keys: SigningKeys,
    private readonly config: Config,
    private readonly clock: Clock,
  ) {}

  onModuleInit(): void {
    this.#namespace = this.server.of(GATE_NAMESPACE);
    this.#namespace.use((socket, next) => void this.#admit(socket).then(() => next(), next));
    this.#namespace.on('connection', (socket) => this.#connected(socket));
    this.#namespace.on(NODE_CHANGED, (nodeId: string) => void this.#sendNode(nodeId));
    this.#namespace.on(KEYS_CHANGED, () => void this.#sendTables());
    this.#timer = setInterval(() => void this.#sendTables(), WHOLE_TABLE_EVERY_MS);
    this.#timer.unref();
  }

  beforeApplicationShutdown(): void {
    clearInterval(this.#timer);
  }

  /**
   * Call after the commit that changed a node's ports or lifecycle. Resolves when the gates connected here have it, at
   * the latest after 5 s; others hear of it through Redis. Never rejects: the next whole table mends what was lost.
   */
  async nodeChanged(nodeId: string): Promise<void> {
    this.#namespace?.serverSideEmit(NODE_CHANGED, nodeId);
    await this.#sendNode(nodeId);
  }

  /** Another key signs tunnel tokens now: the gate must know it before frps sees a token of it. */
  async keysChanged(): Promise<void> {
    this.#namespace?.serverSideEmit(KEYS_CHANGED);
    await this.#sendTables();
  }

  async #admit(socket: Socket): Promise<void> {
    if (!this.config.has('gateway')) throw refusal('unavailable');
    const given = /^Bearer +(\S+)$/i.exec(socket.handshake.headers.authorization ?? '')?.[1];
    if (given === undefined || !sameSecret(given, this.config.gateSecret)) throw refusal('unauthenticated');
    const id = Uuid.safeParse(socket.handshake.auth['tunnel_server_id']);
    const known = id.success && (await this.db.client.tunnelServer.count({ where: { id: id.data } })) === 1;
    if (!known) throw refusal('not_found');
  }

  #connected(socket: Socket): void {
    const link = new GateLink(socket, Uuid.parse(socket.handshake.auth['tunnel_server_id']), this.#source());
    this.#links.add(link);
    socket.on('disconnect', () => this.#links.delete(link));
    this.#log.log({ tunnel_server_id: link.tunnelServerId }, 'a tunnel gate is connected');
    void this.#settle(link, link.sendTable());
  }

  async #sendNode(nodeId: string): Promise<void> {
    await Promise.all([...this.#links].map((link) => this.#settle(link, link.sendNode(nodeId))));
  }

  async #sendTables(): Promise<void> {
    await Promise.all([...this.#links].map((link) => this.#settle(link, link.sendTable())));
  }

  /** A gate that missed something is sent away: it redials at once and gets the whole table. */
  async #settle(link: GateLink, sent: Promise<boolean>): Promise<void> {
    const acked = await sent.catch((error: unknown) => {
      this.#log.warn({ err: error, tunnel_server_id: link.tunnelServerId }, 'the gate could not be told');
      return false;
    });
    if (!acked) link.socket.disconnect(true);
  }

  #source(): TableSource {
    return {
      table: async (tunnelServerId) => {
        await this.keys.current('tunnel');
        return { jwks: Jwks.parse(await this.keys.jwks('tunnel')), nodes: await gateNodes(this.db.client, tunnelServerId) };
      },
      node: async (tunnelServerId, nodeId) => (await gateNode(this.db.client, tunnelServerId, nodeId))?.proxies,
      nowMicros: () => this.clock.now().getTime() * 1000,
    };
  }
}

/** Compares digests, so that neither length nor content leaks through time. */
function sameSecret(given: string, wanted: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

/** Socket.IO sends `data` of a middleware's error to the client. */
function refusal(code: ProblemCode): Error {
  const problem = makeProblem(code);
  return Object.assign(new ProblemError(problem), { data: problem });
}
