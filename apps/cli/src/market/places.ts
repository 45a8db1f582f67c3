import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MarketClient } from '@muster/client';
import type { NodeView } from '@muster/shared-types';
import { credentialsPath, readCredentials } from '../credentials.js';
import { FIRST_CREDIT_USD } from './account.js';
import type { PartStatus, Places } from './events.js';
import { localNodeId } from './first-host.js';
import type { Layout } from './layout.js';

const PATIENCE_MS = 5_000;

/** Asks the running market what a person wants to know of it. What does not answer is left out. */
export async function placesOf(layout: Layout, parts: PartStatus[], imagesDir: string): Promise<Places> {
  const credentials = await readCredentials(layout.home);
  if (!credentials) throw new Error(`${credentialsPath(layout.home)} is missing`);
  const client = new MarketClient({ url: credentials.url, token: credentials.api_key, timeoutMs: PATIENCE_MS, userAgent: 'muster-up' });
  const hasAgent = parts.some(({ part }) => part === 'agent');
  const [node, balance] = await Promise.all([hasAgent ? localNode(layout, client) : undefined, client.call('getBalance', {}).catch(() => undefined)]);
  return {
    url: credentials.url,
    docs_url: `${credentials.url}/api/docs`,
    home: layout.home,
    log_dir: layout.log,
    supervisor_pid: process.pid,
    credentials_file: credentialsPath(layout.home),
    account: { email: credentials.email, credit_usd: FIRST_CREDIT_USD, balance_usd: balance?.available_usd ?? null },
    parts,
    node: node ? { id: node.id, name: node.name, status: node.status, listing: node.listing } : null,
    preparing: hasAgent ? await preparing(node, imagesDir) : [],
  };
}

async function localNode(layout: Layout, client: MarketClient): Promise<NodeView | undefined> {
  const nodeId = await localNodeId(layout);
  return nodeId === undefined ? undefined : client.call('getNode', { params: { node_id: nodeId } }).catch(() => undefined);
}

/** Renting works meanwhile; it takes the longer for it. */
async function preparing(node: NodeView | undefined, imagesDir: string): Promise<string[]> {
  if (!node) return ['this machine has not been seen by the market yet'];
  if (node.inventory.images.some((image) => /(^|\/)workspace(:|$)/.test(image))) return [];
  const archives = await readdir(imagesDir).catch(() => []);
  const isBuilt = archives.some((name) => /^workspace-[0-9a-f]+\.json$/.test(name));
  return [isBuilt ? 'the image workspace is being imported' : `the image workspace is not in ${join(imagesDir)} yet`];
}
