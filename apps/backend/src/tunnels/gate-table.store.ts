import { proxyName, type GateNode } from '@muster/shared-types';
import type { PrismaClient } from '@muster/prisma';
import type { Tx } from '../platform/db.js';
import { portsOfNodes, type HeldPort } from './ports.store.js';

type Reader = Tx | PrismaClient;
/** These may not log in at any tunnel server. */
const OUT = ['retired', 'quarantined'] as const;
/** A machine that is off the market only for what its own heartbeats showed goes on with what runs on it. */
const MAY_LOG_IN = {
  OR: [{ lifecycle: { notIn: [...OUT] } }, { lifecycle: 'quarantined' as const, findings: { some: { delisted: true, clearedAt: null } } }],
};

/** Every node that may log in at this tunnel server, with the proxies that it may open. */
export async function gateNodes(db: Reader, tunnelServerId: string): Promise<GateNode[]> {
  const nodes = await db.hostNode.findMany({ where: { tunnelServerId, ...MAY_LOG_IN }, select: { id: true }, orderBy: { id: 'asc' } });
  const ids = nodes.map((node) => node.id);
  return withProxies(ids, await portsOfNodes(db, ids));
}

/** One node's row at this tunnel server; undefined when it may not log in there. */
export async function gateNode(db: Reader, tunnelServerId: string, nodeId: string): Promise<GateNode | undefined> {
  const node = await db.hostNode.findFirst({ where: { id: nodeId, tunnelServerId, ...MAY_LOG_IN }, select: { id: true } });
  return node ? withProxies([nodeId], await portsOfNodes(db, [nodeId]))[0] : undefined;
}

function withProxies(ids: readonly string[], held: readonly HeldPort[]): GateNode[] {
  const byNode = new Map<string, HeldPort[]>(ids.map((id) => [id, []]));
  for (const port of held) byNode.get(port.nodeId)?.push(port);
  return ids.map((id) => ({ node_id: id, proxies: (byNode.get(id) ?? []).map(({ port }) => ({ name: proxyName(port), port })) }));
}
