import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { GATE_NAMESPACE, type GateChange, type GateTable } from '@muster/shared-types';

export type GateAnswer = { ok: boolean; version?: number };

/**
 * The backend's side of the gate contract with a table that the test sets: a real Socket.IO server on a port that stays
 * the same over `close` and `open`, so that a test can take the backend away and bring it back.
 */
export class TableSource {
  private http: HttpServer | undefined;
  private io: Server | undefined;
  table: GateTable = { version: 0, jwks: { keys: [] }, nodes: [] };

  constructor(
    private readonly secret: string,
    private readonly tunnelServerId: string,
    /** 0 = any free port, kept from the first `open` on. */
    private port = 0,
  ) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async open(): Promise<void> {
    const http = createServer();
    const io = new Server(http, { transports: ['websocket'] });
    const namespace = io.of(GATE_NAMESPACE);
    namespace.use((socket, next) => next(this.isOurs(socket) ? undefined : new Error('unauthenticated')));
    namespace.on('connection', (socket) => socket.emit('table', this.table, () => undefined));
    await new Promise<void>((resolve) => http.listen(this.port, '127.0.0.1', resolve));
    this.port = (http.address() as AddressInfo).port;
    this.http = http;
    this.io = io;
  }

  async close(): Promise<void> {
    await this.io?.close();
    this.http?.closeAllConnections();
    this.io = undefined;
    this.http = undefined;
  }

  /** Replaces the table; resolves with the gate's answer. Without a connected gate it is sent at the next connect. */
  push(table: GateTable): Promise<GateAnswer | undefined> {
    this.table = table;
    return this.emit('table', table);
  }

  /** Sends one message as it is, also a malformed one. Undefined when no gate is connected. */
  async emit(event: 'table' | 'table_change', payload: unknown): Promise<GateAnswer | undefined> {
    const [socket] = (await this.io?.of(GATE_NAMESPACE).fetchSockets()) ?? [];
    if (!socket) return undefined;
    return (await socket.timeout(10_000).emitWithAck(event, payload)) as GateAnswer;
  }

  /** Gives one node these proxies, or takes it out with null, in the table and at the gate. */
  change(nodeId: string, proxies: GateChange['proxies']): Promise<GateAnswer | undefined> {
    const version = this.table.version + 1;
    const others = this.table.nodes.filter((node) => node.node_id !== nodeId);
    const nodes = proxies === null ? others : [...others, { node_id: nodeId, proxies }];
    this.table = { ...this.table, version, nodes };
    return this.emit('table_change', { version, node_id: nodeId, proxies } satisfies GateChange);
  }

  private isOurs(socket: Socket): boolean {
    const auth = socket.handshake.auth as { tunnel_server_id?: unknown };
    return socket.handshake.headers.authorization === `Bearer ${this.secret}` && auth.tunnel_server_id === this.tunnelServerId;
  }
}
