import { GateTable, type GateChange } from '@muster/shared-types';

/**
 * Who may log in and what each node may open, in memory. Owned by one process; replaced whole by `table`, patched by
 * `table_change`. A `table` always wins, even with a lower version: that is a market restored from a backup.
 */
export class Table {
  private nodes = new Map<string, ReadonlyMap<string, number>>();
  private keys: GateTable['jwks'] = { keys: [] };
  private current = -1;

  /** -1 until a table has come from the backend or from disk. */
  get version(): number {
    return this.current;
  }
  get size(): number {
    return this.nodes.size;
  }
  get jwks(): GateTable['jwks'] {
    return this.keys;
  }

  /** Proxy name → public port of a node; undefined when the node may not log in. */
  proxiesOf(nodeId: string): ReadonlyMap<string, number> | undefined {
    return this.nodes.get(nodeId);
  }

  replace(table: GateTable): void {
    this.nodes = new Map(table.nodes.map((node) => [node.node_id, byName(node.proxies)]));
    this.keys = table.jwks;
    this.current = table.version;
  }

  /** False when the change is older than what is here, or there is no table yet to apply it to. */
  apply(change: GateChange): boolean {
    if (this.current < 0 || change.version <= this.current) return false;
    if (change.proxies === null) this.nodes.delete(change.node_id);
    else this.nodes.set(change.node_id, byName(change.proxies));
    this.current = change.version;
    return true;
  }

  snapshot(): GateTable {
    const nodes = [...this.nodes].map(([node_id, proxies]) => ({
      node_id,
      proxies: [...proxies].map(([name, port]) => ({ name, port })),
    }));
    return { version: Math.max(this.current, 0), jwks: this.keys, nodes };
  }
}

const byName = (proxies: readonly { name: string; port: number }[]): ReadonlyMap<string, number> =>
  new Map(proxies.map((proxy) => [proxy.name, proxy.port]));
