import type { GateChange, GateTable } from '@muster/shared-types';
import type { Socket } from 'socket.io';

const ACK_TIMEOUT_MS = 5_000;

export interface TableSource {
  table(tunnelServerId: string): Promise<Omit<GateTable, 'version'>>;
  /** Undefined = the node may not log in. */
  node(tunnelServerId: string, nodeId: string): Promise<GateChange['proxies'] | undefined>;
  nowMicros(): number;
}

/**
 * One connected gate. Everything it is told goes through one queue: a version is taken, then the rows are read, then
 * they are sent. So what was committed before a call is in what that call sends, and a newer version never carries older
 * rows. Versions are microseconds of wall time and only grow; a whole table wins at the gate whatever its version.
 */
export class GateLink {
  #queue: Promise<unknown> = Promise.resolve();
  #version = 0;

  constructor(
    readonly socket: Socket,
    readonly tunnelServerId: string,
    private readonly source: TableSource,
  ) {}

  /** True when the gate acked. Rejects when Postgres is away. */
  sendTable(): Promise<boolean> {
    return this.#enqueue(async () => {
      const version = this.#nextVersion();
      return this.#tell('table', { version, ...(await this.source.table(this.tunnelServerId)) });
    });
  }

  sendNode(nodeId: string): Promise<boolean> {
    return this.#enqueue(async () => {
      const version = this.#nextVersion();
      const proxies = (await this.source.node(this.tunnelServerId, nodeId)) ?? null;
      return this.#tell('table_change', { version, node_id: nodeId, proxies });
    });
  }

  #enqueue(job: () => Promise<boolean>): Promise<boolean> {
    const done = this.#queue.then(job, job);
    this.#queue = done;
    return done;
  }

  async #tell(event: 'table' | 'table_change', payload: GateTable | GateChange): Promise<boolean> {
    if (!this.socket.connected) return false;
    const answer: unknown = await this.socket.timeout(ACK_TIMEOUT_MS).emitWithAck(event, payload).catch(() => undefined);
    return typeof answer === 'object' && answer !== null && 'ok' in answer && answer.ok === true;
  }

  #nextVersion(): number {
    this.#version = Math.max(this.#version + 1, this.source.nowMicros());
    return this.#version;
  }
}
