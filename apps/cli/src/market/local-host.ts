import { readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { MarketClient } from '@muster/client';
import { ProblemError } from '@muster/shared-types';
import type { PartName } from './events.js';
import { hostKeyFile, OPERATOR_EMAIL } from './account.js';
import { localNodeId } from './first-host.js';
import type { Layout } from './layout.js';
import type { Settings } from './settings.js';
import { localMachine } from './local-machine.js';
import { sharesOf } from './share.rules.js';

/** One node of this machine. The first one has the machine's own name, folder and owner. */
export interface LocalHost {
  number: number;
  part: PartName;
  stateDir: string;
  bridge: string;
  subnet: string;
  /** Number of its owner; 1 is the account of `up`. */
  owner: number;
  listedNodeId: string | undefined;
}

/** Every node that was ever run here; those that run now are the first `settings.nodes`. */
export function localHosts(layout: Layout, settings: Settings): LocalHost[] {
  const first: LocalHost = { number: 1, part: 'agent', stateDir: layout.agent, bridge: settings.bridge, subnet: settings.subnet, owner: 1, listedNodeId: settings.listed_node_id };
  const further = settings.further_nodes.map(({ number, bridge, subnet, owner, listed_node_id }): LocalHost => ({
    number, part: `agent-${number}`, stateDir: join(layout.agents, String(number)), bridge, subnet, owner, listedNodeId: listed_node_id,
  }));
  return [first, ...further];
}

export const ownerEmail = (owner: number): string => (owner === 1 ? OPERATOR_EMAIL : `owner${owner}@muster.local`);

export const ownerKeyFile = (layout: Layout, owner: number): string => (owner === 1 ? hostKeyFile(layout) : `${hostKeyFile(layout)}-${owner}`);

/** Settings of one engine or one name cannot be those of all. */
const OF_ONE = /^MUSTER_AGENT_(BRIDGE|SUBNET|STATE|NAME|CPU|RAM_MB)$/;

/** Environment of a node's agent, beside what every part gets. */
export function agentEnv(layout: Layout, settings: Settings, host: LocalHost, handedOn: Readonly<Record<string, string>>): Record<string, string> {
  const given = host.number === 1 ? handedOn : Object.fromEntries(Object.entries(handedOn).filter(([name]) => !OF_ONE.test(name)));
  return {
    MUSTER_AGENT_BRIDGE: host.bridge,
    MUSTER_AGENT_SUBNET: host.subnet,
    ...partOfMachine(settings, host, handedOn),
    ...given,
    MUSTER_HOST_API_KEY_FILE: ownerKeyFile(layout, host.owner),
    MUSTER_HOME: layout.home,
    MUSTER_AGENT_STATE: host.stateDir,
    MUSTER_AGENT_STOP_ENGINE: 'true',
  };
}

/** A node that is alone has the whole machine, measured by its own agent. */
function partOfMachine({ nodes, pool_gb }: Settings, { number }: LocalHost, handedOn: Readonly<Record<string, string>>): Record<string, string> {
  const name = number === 1 ? {} : { MUSTER_AGENT_NAME: `${handedOn['MUSTER_AGENT_NAME'] ?? hostname()}-${number}` };
  const share = nodes > 1 ? sharesOf(localMachine(), nodes)[number - 1] : undefined;
  if (!share) return name;
  return { ...name, MUSTER_AGENT_CPU: String(share.cpus), MUSTER_AGENT_RAM_MB: String(share.ramMb), ...(pool_gb !== undefined && { MUSTER_AGENT_POOL_GB: String(pool_gb) }) };
}

/**
 * A node belongs to its owner for good; to give its place to another one it leaves the market and a new node takes its
 * engine and images over. False, with nothing changed, while something runs on it.
 */
export async function giveUpNode(host: LocalHost, owner: MarketClient, endAgent: () => Promise<void>): Promise<boolean> {
  const nodeId = await localNodeId(host.stateDir);
  if (nodeId !== undefined && !(await retired(nodeId, owner))) return false;
  await endAgent();
  const identity = (await readdir(host.stateDir).catch(() => [])).filter((name) => name !== 'engine');
  await Promise.all(identity.map((name) => rm(join(host.stateDir, name), { recursive: true, force: true })));
  return true;
}

async function retired(nodeId: string, owner: MarketClient): Promise<boolean> {
  try {
    await owner.call('retireNode', { params: { node_id: nodeId }, body: { force: false } });
    return true;
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    // A node that has left already, or that this database does not know.
    if (error.problem.code === 'not_found') return true;
    const node = await owner.call('getNode', { params: { node_id: nodeId } });
    return node.lifecycle === 'retired';
  }
}
