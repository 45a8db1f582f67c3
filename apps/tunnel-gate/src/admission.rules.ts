import type { LoginContent, NewProxyContent } from './frp-request.js';

/** Why the gate says no. Codes, because operators search and count them. */
export type Refusal =
  | 'malformed'
  | 'no_table'
  | 'unknown_node'
  | 'client_id_differs'
  | 'token_missing'
  | 'token_expired'
  | 'token_invalid'
  | 'token_of_another_node'
  | 'type_not_tcp'
  | 'group_not_allowed'
  | 'name_of_another_node'
  | 'name_not_listed'
  | 'port_not_listed'
  | 'gate_error';

export type Verdict = { allow: true } | { allow: false; reason: Refusal };

/** What the gate found out about the token in a Login; the signature has been checked when there is a subject. */
export type TokenFinding = { subject: string } | { refusal: Extract<Refusal, `token_${string}`> };

/** The table as the rules see it. */
export interface Admitted {
  version: number;
  proxiesOf(nodeId: string): ReadonlyMap<string, number> | undefined;
}

const allow: Verdict = { allow: true };
const refuse = (reason: Refusal): Verdict => ({ allow: false, reason });

/** `user` and `client_id` are both the node id: frps then keeps a node to one session. */
export function admitLogin(table: Admitted, login: LoginContent, token: TokenFinding): Verdict {
  if (table.version < 0) return refuse('no_table');
  if ('refusal' in token) return refuse(token.refusal);
  if (token.subject !== login.user) return refuse('token_of_another_node');
  if (login.client_id !== login.user) return refuse('client_id_differs');
  if (!table.proxiesOf(login.user)) return refuse('unknown_node');
  return allow;
}

/** frps has put `<user>.` before the name and vouches for `user`, which it kept from the admitted Login. */
export function admitNewProxy(table: Admitted, proxy: NewProxyContent): Verdict {
  const node = proxy.user.user;
  if (table.version < 0) return refuse('no_table');
  const proxies = table.proxiesOf(node);
  if (!proxies) return refuse('unknown_node');
  if (proxy.proxy_type !== 'tcp') return refuse('type_not_tcp');
  // Two nodes in one load-balancing group would share a port.
  if (proxy.group !== '') return refuse('group_not_allowed');
  if (!proxy.proxy_name.startsWith(`${node}.`)) return refuse('name_of_another_node');
  const port = proxies.get(proxy.proxy_name.slice(node.length + 1));
  if (port === undefined) return refuse('name_not_listed');
  return port === proxy.remote_port ? allow : refuse('port_not_listed');
}

/** What the host is told: enough for its owner to act on, nothing about other nodes. */
export const refusalText: Record<Refusal, string> = {
  malformed: 'the request is malformed',
  no_table: 'the tunnel gate has not yet received its table from the market; try again',
  unknown_node: 'this node is not enrolled at this tunnel server',
  client_id_differs: 'clientID must be the node id',
  token_missing: 'the login carries no token',
  token_expired: 'the tunnel token has expired',
  token_invalid: 'the tunnel token is not valid',
  token_of_another_node: 'the tunnel token belongs to another node',
  type_not_tcp: 'only tcp proxies are allowed',
  group_not_allowed: 'proxy groups are not allowed',
  name_of_another_node: 'the proxy name is not of this node',
  name_not_listed: 'this proxy name is not assigned to this node',
  port_not_listed: 'this public port is not assigned to this proxy',
  gate_error: 'the tunnel gate failed to decide; try again',
};
