import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MarketClient } from '@muster/client';
import type { NodeView } from '@muster/shared-types';
import { type Credentials, credentialsPath, readCredentials } from '../credentials.js';
import { FIRST_CREDIT_USD } from './account.js';
import type { PartStatus, Places } from './events.js';
import { localNodeId } from './first-host.js';
import type { Layout } from './layout.js';
import { type LocalHost, ownerEmail } from './local-host.js';
import { localMachine } from './local-machine.js';
import { sharingWords } from './share.rules.js';

const PATIENCE_MS = 5_000;

/** Asks the running market what a person wants to know of it. What does not answer is left out. */
export async function placesOf(layout: Layout, parts: PartStatus[], hosts: readonly LocalHost[], imagesDir: string): Promise<Places> {
  const credentials = await readCredentials(layout.home);
  if (!credentials) throw new Error(`${credentialsPath(layout.home)} is missing`);
  const present = hosts.filter((host) => parts.some(({ part }) => part === host.part));
  const [views, balance] = await Promise.all([
    Promise.all(present.map((host) => localNode(host, credentials))),
    clientOf(credentials, credentials.api_key).call('getBalance', {}).catch(() => undefined),
  ]);
  const [node] = views;
  return {
    url: credentials.url,
    docs_url: `${credentials.url}/api/docs`,
    web_url: parts.find(({ part }) => part === 'web')?.detail || null,
    home: layout.home,
    log_dir: layout.log,
    supervisor_pid: process.pid,
    credentials_file: credentialsPath(layout.home),
    account: { email: credentials.email, credit_usd: FIRST_CREDIT_USD, balance_usd: balance?.available_usd ?? null },
    parts,
    node: node ? { id: node.id, name: node.name, status: node.status, listing: node.listing } : null,
    nodes: present.flatMap((host, index) => placeOf(host, views[index])),
    sharing: sharingWords(localMachine(), present.length),
    preparing: [...new Set((await Promise.all(views.map((view) => preparing(view, imagesDir)))).flat())],
  };
}

const clientOf = ({ url }: Credentials, token: string): MarketClient => new MarketClient({ url, token, timeoutMs: PATIENCE_MS, userAgent: 'muster-up' });

async function localNode(host: LocalHost, credentials: Credentials): Promise<NodeView | undefined> {
  const nodeId = await localNodeId(host.stateDir);
  const token = host.owner === 1 ? credentials.api_key : credentials.others?.find(({ email }) => email === ownerEmail(host.owner))?.api_key;
  if (nodeId === undefined || token === undefined) return undefined;
  return clientOf(credentials, token).call('getNode', { params: { node_id: nodeId } }).catch(() => undefined);
}

const placeOf = ({ number, owner }: LocalHost, node: NodeView | undefined): Places['nodes'] =>
  node ? [{ number, id: node.id, name: node.name, owner: ownerEmail(owner), status: node.status, listing: node.listing, cpu_cores: node.cpu_cores, ram_mb: node.cpu_ram_mb }] : [];

/** Renting works meanwhile; it takes the longer for it. */
async function preparing(node: NodeView | undefined, imagesDir: string): Promise<string[]> {
  if (!node) return ['this machine has not been seen by the market yet'];
  if (node.inventory.images.some((image) => /(^|\/)workspace(:|$)/.test(image))) return [];
  const archives = await readdir(imagesDir).catch(() => []);
  const isBuilt = archives.some((name) => /^workspace-[0-9a-f]+\.json$/.test(name));
  return [isBuilt ? 'the image workspace is being imported' : `the image workspace is not in ${join(imagesDir)} yet`];
}
