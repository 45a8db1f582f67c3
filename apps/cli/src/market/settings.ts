import { readdir, statfs } from 'node:fs/promises';
import { freePort, isPortFree } from '@muster/local-services';
import { DEFAULT_PORTS } from '@muster/shared-types';
import { z } from 'zod';
import { CliError, EXIT } from '../output/exit-codes.js';
import { DEFAULT_HOME, type Layout } from './layout.js';
import { readIfThere, writePrivate } from './private-file.js';

const Port = z.number().int().min(1).max(65_535);
/** Each has an engine and a network of its own; more than this teaches nothing that these do not. */
export const MOST_NODES = 9;
const Count = z.number().int().min(1).max(MOST_NODES);

/** A second, third … node of this machine. */
const FurtherNode = z.object({
  number: z.number().int().min(2),
  bridge: z.string(),
  subnet: z.string(),
  /** Whose it is: 1 is the account of `up` itself. */
  owner: Count,
  listed_node_id: z.uuid().optional(),
});
export type FurtherNode = z.infer<typeof FurtherNode>;

/** What was chosen for this market and stays, so that a restarted part is found again where it was. */
const Settings = z.object({
  ports: z.object({
    api: Port,
    /** Of the web app; folders from before it have none. */
    web: Port.default(DEFAULT_PORTS.web),
    postgres: Port, redis: Port, gate: Port, frps: Port, frps_admin: Port, tunnel_first: Port, tunnel_last: Port,
  }),
  /** Bridge and network of the first host's instances. */
  bridge: z.string(),
  subnet: z.string(),
  tunnel_server_id: z.uuid().optional(),
  /** The node that `up` has listed once; unlisting it is the owner's word from then on. */
  listed_node_id: z.uuid().optional(),
  /** How many nodes of this machine `up` runs, and how many owners share them. */
  nodes: Count.default(1),
  owners: Count.default(1),
  /** Disk of each node in GB, once there is more than one. */
  pool_gb: z.number().int().optional(),
  /** Those that are not run at present are kept: a node is its key. */
  further_nodes: z.array(FurtherNode).default([]),
});
export type Settings = z.infer<typeof Settings>;
export type Ports = Settings['ports'];

/** frps, gate and the rest listen there already: those ports are taken by ourselves. */
export type Holder = 'api' | 'web' | 'gate' | 'frps';

export async function readSettings(layout: Layout): Promise<Settings | undefined> {
  const text = await readIfThere(layout.settings);
  if (text === undefined) return undefined;
  const parsed = Settings.safeParse(JSON.parse(text));
  if (!parsed.success) throw new CliError(`${layout.settings} cannot be read: ${parsed.error.issues[0]?.message ?? ''}`, EXIT.failed, 'Remove the file; the ports are then chosen anew');
  return parsed.data;
}

export const writeSettings = (layout: Layout, settings: Settings): Promise<void> => writePrivate(layout.settings, `${JSON.stringify(settings, null, 2)}\n`);

export interface SettingsWish {
  /** `--port`: exactly this one, or an error. */
  apiPort: number | undefined;
  /** `--web-port` or MUSTER_WEB_PORT: the same for the web app. */
  webPort?: number | undefined;
  /** Parts of this market that run already. */
  running: ReadonlySet<Holder>;
  /** `--nodes`, `--owners`; undefined = as before. */
  nodes?: number | undefined;
  owners?: number | undefined;
}

/** The remembered choices where they still hold, the documented ports where they are free, else free ones. */
export async function chooseSettings(layout: Layout, wish: SettingsWish): Promise<Settings> {
  const kept = await readSettings(layout);
  const isDefault = layout.home === DEFAULT_HOME;
  const api = await chosenPort('api', wish.apiPort, kept?.ports.api, wish, isDefault);
  const web = await chosenPort('web', wish.webPort, kept?.ports.web, wish, isDefault);
  const tunnels = kept && (wish.running.has('frps') || (await isPortFree(kept.ports.frps))) ? kept.ports : await tunnelPorts(isDefault);
  const gate = await stablePort(kept?.ports.gate, wish.running.has('gate'), isDefault ? DEFAULT_PORTS.gate : undefined);
  const network = kept ?? (await freeNetwork(isDefault));
  return {
    ports: {
      api,
      web,
      postgres: kept?.ports.postgres ?? (await freePort()),
      redis: kept?.ports.redis ?? (await freePort()),
      gate,
      frps: tunnels.frps,
      frps_admin: await stablePort(kept?.ports.frps_admin, wish.running.has('frps'), isDefault ? DEFAULT_PORTS.frpsAdmin : undefined),
      tunnel_first: tunnels.tunnel_first,
      tunnel_last: tunnels.tunnel_last,
    },
    bridge: network.bridge,
    subnet: network.subnet,
    ...(kept?.tunnel_server_id && { tunnel_server_id: kept.tunnel_server_id }),
    ...(kept?.listed_node_id && { listed_node_id: kept.listed_node_id }),
    ...(await chooseNodes(layout, kept, network, wish)),
  };
}

type NodeSettings = Pick<Settings, 'nodes' | 'owners' | 'pool_gb' | 'further_nodes'>;

/** Nodes go round the owners: of three nodes and two owners the third is the first owner's again. */
export const ownerOf = (node: number, owners: number): number => ((node - 1) % owners) + 1;

/** As many as wished, the known ones as they are. Throws when there are more owners than nodes. */
export async function chooseNodes(layout: Layout, kept: NodeSettings | undefined, first: { bridge: string }, wish: Pick<SettingsWish, 'nodes' | 'owners'>): Promise<NodeSettings> {
  const nodes = wish.nodes ?? Math.max(kept?.nodes ?? 1, wish.owners ?? 1);
  const owners = wish.owners ?? Math.min(kept?.owners ?? 1, nodes);
  if (owners > nodes) throw new CliError(`${owners} owners cannot share ${nodes === 1 ? 'one node' : `${nodes} nodes`}`, EXIT.usage, `Give each a node: muster up --nodes ${owners} --owners ${owners}`);
  const further = [...(kept?.further_nodes ?? [])];
  for (let number = 2; number <= nodes; number += 1) {
    if (further.some((node) => node.number === number)) continue;
    const network = await freeNetwork(false, [first.bridge, ...further.map((node) => node.bridge)]);
    further.push({ number, ...network, owner: ownerOf(number, owners) });
  }
  const pool = kept?.pool_gb ?? (nodes > 1 ? await equalPoolGb(layout, nodes) : undefined);
  return { nodes, owners, ...(pool !== undefined && { pool_gb: pool }), further_nodes: further };
}

const LEAST_POOL_GB = 5;

/** Half of what is free, as with one node, in equal parts. */
async function equalPoolGb(layout: Layout, nodes: number): Promise<number> {
  const { bavail, bsize } = await statfs(layout.home);
  return Math.max(LEAST_POOL_GB, Math.floor((bavail * bsize) / 2 / nodes / 1e9));
}

/** Exactly the port that was asked for, or an error; without a wish one that stays. */
async function chosenPort(holder: 'api' | 'web', wished: number | undefined, kept: number | undefined, { running }: SettingsWish, isDefault: boolean): Promise<number> {
  if (wished === undefined) return stablePort(kept, running.has(holder), isDefault ? DEFAULT_PORTS[holder] : undefined);
  const ours = running.has(holder) && kept === wished;
  if (ours || (await isPortFree(wished, '127.0.0.1'))) return wished;
  throw new CliError(`port ${wished} is in use by another program`, EXIT.refused, `See which one with: ss -ltnp 'sport = :${wished}', or choose another with ${holder === 'api' ? '--port' : '--web-port'}`);
}

/** The kept port while it is ours or free, then the preferred one, then any. */
async function stablePort(kept: number | undefined, isOurs: boolean, preferred: number | undefined): Promise<number> {
  if (kept !== undefined && (isOurs || (await isPortFree(kept)))) return kept;
  if (preferred !== undefined && (await isPortFree(preferred))) return preferred;
  return freePort();
}

type TunnelPorts = Pick<Ports, 'frps' | 'tunnel_first' | 'tunnel_last'>;

const BLOCK_PORTS = 100;
const FIRST_BLOCK = 30_000;
/** Below the kernel's ephemeral ports, which begin at 32768. */
const LAST_BLOCK = 32_600;

/**
 * The market of the default folder has the documented range. A second one beside it takes a block of its own, whose
 * first port is frps's: while it listens there, nobody else takes the block.
 */
async function tunnelPorts(isDefault: boolean): Promise<TunnelPorts> {
  const { frps, tunnelFirst, tunnelLast } = DEFAULT_PORTS;
  if (isDefault && (await isPortFree(frps))) return { frps, tunnel_first: tunnelFirst, tunnel_last: tunnelLast };
  const blocks = Array.from({ length: (LAST_BLOCK - FIRST_BLOCK) / BLOCK_PORTS + 1 }, (_, index) => FIRST_BLOCK + index * BLOCK_PORTS);
  for (const first of shuffled(blocks)) {
    if (await isPortFree(first)) return { frps: first, tunnel_first: first + 1, tunnel_last: first + BLOCK_PORTS - 1 };
  }
  throw new CliError('no block of tunnel ports is free between 30000 and 32699', EXIT.failed, 'Stop another market of this machine: muster down');
}

function shuffled<T>(items: readonly T[]): T[] {
  return items.map((item) => ({ item, order: Math.random() })).toSorted((one, other) => one.order - other.order).map(({ item }) => item);
}

/** 10.213 is the first one's network, 10.255 the last. */
const NETWORKS = 42;

/** `mst0` and 10.213/16 belong to the default folder's first node; everything else takes a pair that no interface has. */
async function freeNetwork(isDefault: boolean, known: readonly string[] = []): Promise<{ bridge: string; subnet: string }> {
  const taken = new Set([...known, ...(await readdir('/sys/class/net').catch(() => []))]);
  const numbers = isDefault ? [0] : shuffled(Array.from({ length: NETWORKS }, (_, index) => index + 1));
  const number = numbers.find((candidate) => !taken.has(`mst${candidate}`)) ?? 0;
  return { bridge: `mst${number}`, subnet: `10.${213 + number}.0.0/16` };
}
