import { join } from 'node:path';
import { MarketClient } from '@muster/client';
import { waitFor } from '@muster/local-services';
import type { NodeView } from '@muster/shared-types';
import { z } from 'zod';
import { readIfThere } from './private-file.js';

const NodeFile = z.object({ node_id: z.uuid() });
const ONLINE_MS = 120_000;

/** The node that the agent of a state folder enrolled as; undefined before it did. */
export async function localNodeId(stateDir: string): Promise<string | undefined> {
  const text = await readIfThere(join(stateDir, 'node.json'));
  return text === undefined ? undefined : NodeFile.safeParse(parseJson(text)).data?.node_id;
}

/** Waits until the market sees the node of a state folder; gives up at once when `died` says why its agent cannot do it. */
export async function untilOnline(stateDir: string, client: MarketClient, died: () => string | undefined, logFile: string): Promise<NodeView> {
  const online = await waitFor(async () => died() ?? (await onlineNode(stateDir, client)), { deadlineMs: ONLINE_MS, what: `this machine to come online in the market (log: ${logFile})`, everyMs: 100 });
  if (typeof online === 'string') throw new Error(online);
  return online;
}

async function onlineNode(stateDir: string, client: MarketClient): Promise<NodeView | undefined> {
  const nodeId = await localNodeId(stateDir);
  if (nodeId === undefined) return undefined;
  const node = await client.call('getNode', { params: { node_id: nodeId } });
  return node.presence === 'online' ? node : undefined;
}

/** Puts the machine on the market the first time; afterwards its listing is the owner's choice. */
export async function listOnce(client: MarketClient, node: NodeView, listedBefore: string | undefined): Promise<NodeView> {
  if (node.listing !== 'unlisted' || listedBefore === node.id) return node;
  return client.call('listNode', { params: { node_id: node.id } });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
