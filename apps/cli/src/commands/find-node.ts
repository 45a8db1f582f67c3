import type { NodeSummary } from '@muster/shared-types';
import type { CliContext } from '../context.js';
import type { Access } from './access.js';
import { resolveId } from './recall.js';

/** Every machine of the account. */
export async function allNodes(access: Access): Promise<NodeSummary[]> {
  const nodes: NodeSummary[] = [];
  for await (const node of access.client.all('listNodes', { query: { limit: 200 } })) nodes.push(node);
  return nodes;
}

/** The id behind a number of the last `node ls`, or an id. */
export async function findNode({ config }: CliContext, access: Access, typed: string): Promise<string> {
  return resolveId(config, 'nodes', typed, async () => (await allNodes(access)).map((node) => node.id));
}
