/** Where this node's tunnels end. The CA is the only trust root: without it frpc would accept any server. */
export interface TunnelServer {
  addr: string;
  port: number;
  /** PEM of the CA that signed the tunnel server's certificate. */
  caPem: string;
  /** UUID of this node: frp `user` and `clientID`. */
  nodeId: string;
}

/** One container port behind one public port. `localIp` is the container's address on the bridge. */
export interface TunnelMapping {
  containerPort: number;
  publicPort: number;
  localIp: string;
}

export type TunnelStatus = 'running' | 'starting' | 'error';

/** A proxy as frpc reports it now. `error` is frp's own text, present when the status is `error`. */
export interface ObservedTunnel extends TunnelMapping {
  rentalId: string;
  status: TunnelStatus;
  error?: string;
}

/**
 * The tunnels of one node: one frpc process that outlives the agent and is adopted by the next one.
 * Callers repeat `ensure` and `remove` until `observe` agrees; every call is idempotent.
 */
export interface Tunnels {
  /** Starts frpc towards this server, or adopts the one that runs with the same settings. */
  setServer(server: TunnelServer): Promise<void>;
  /** Replaces the token file; frpc reads it at its next login and heartbeat. */
  setToken(jwt: string): Promise<void>;
  /**
   * Makes frpc hold exactly these mappings for the rental. Resolves when frpc has accepted them, which does not mean
   * that they run: read `observe`. Throws `TunnelError` while frpc does not answer.
   */
  ensure(rentalId: string, mappings: readonly TunnelMapping[]): Promise<void>;
  /** Removes the rental's proxies. Live connections stay until the container ends. */
  remove(rentalId: string): Promise<void>;
  /** Every proxy that frpc holds, with its status; null while frpc does not answer, as its store may hold any. Never throws. */
  observe(): Promise<ObservedTunnel[] | null>;
  /** frpc answers and has a session at the server, as of the last `observe`. */
  connected(): boolean;
  /** Ends frpc (`kill: true`, the host shuts down) or leaves it running for the next agent (default). */
  stop(options?: { kill?: boolean }): Promise<void>;
}

/** frpc is not there or refused; retry later. */
export class TunnelError extends Error {
  override readonly name = 'TunnelError';
}
