import { z } from 'zod';
import { Ack, Nack } from './agent.js';
import { Uuid } from '../units.js';

/**
 * Backend → tunnel gate. The gate dials the backend's Socket.IO namespace `/gate` with header
 * `Authorization: Bearer <MUSTER_GATE_SECRET>` and `auth: { tunnel_server_id }`; the backend pushes the table.
 */
export const GATE_NAMESPACE = '/gate';

/** `aud` of tunnel tokens. `sub` is the node id, `iss` the URL of the gate beside the tunnel server (frps reads discovery there). */
export const TUNNEL_AUDIENCE = 'frps';
/** The one name in frps's certificate, whatever host name it is reached by; agents ask for it and trust only our CA. */
export const TUNNEL_TLS_NAME = 'frps.muster.internal';
/** frp proxy name of a public port. One name per port keeps frps's metric labels bounded by the port range. */
export const proxyName = (publicPort: number): string => `p${publicPort}`;

/** A proxy that a node may open: frp name without its `<node>.` prefix, and the one public port it may have. */
export const GateProxy = z.object({ name: z.string().min(1).max(100), port: z.number().int().min(1).max(65535) });
export const GateNode = z.object({ node_id: Uuid, proxies: z.array(GateProxy).max(256) });
export type GateNode = z.infer<typeof GateNode>;

export const Jwks = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(16) });

/** The whole table: which node may log in, and with which proxies. Replaces what the gate had. */
export const GateTable = z.object({ version: z.number().int().nonnegative(), jwks: Jwks, nodes: z.array(GateNode) });
export type GateTable = z.infer<typeof GateTable>;

/** One node's rows changed; `proxies: null` = the node may no longer log in. Ignored when `version` is not newer. */
export const GateChange = z.object({
  version: z.number().int().nonnegative(),
  node_id: Uuid,
  proxies: z.array(GateProxy).max(256).nullable(),
});
export type GateChange = z.infer<typeof GateChange>;

const ack = z.union([Ack.extend({ version: z.number().int().nonnegative() }), Nack]);
export const gateMessages = {
  table: { direction: 'server_to_gate', payload: GateTable, ack, since: 1 },
  table_change: { direction: 'server_to_gate', payload: GateChange, ack, since: 1 },
} as const;
