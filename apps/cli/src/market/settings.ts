import { readdir } from 'node:fs/promises';
import { freePort, isPortFree } from '@muster/local-services';
import { DEFAULT_PORTS } from '@muster/shared-types';
import { z } from 'zod';
import { CliError, EXIT } from '../output/exit-codes.js';
import { DEFAULT_HOME, type Layout } from './layout.js';
import { readIfThere, writePrivate } from './private-file.js';

const Port = z.number().int().min(1).max(65_535);

/** What was chosen for this market and stays, so that a restarted part is found again where it was. */
const Settings = z.object({
  ports: z.object({ api: Port, postgres: Port, redis: Port, gate: Port, frps: Port, frps_admin: Port, tunnel_first: Port, tunnel_last: Port }),
  /** Bridge and network of the first host's instances. */
  bridge: z.string(),
  subnet: z.string(),
  tunnel_server_id: z.uuid().optional(),
  /** The node that `up` has listed once; unlisting it is the owner's word from then on. */
  listed_node_id: z.uuid().optional(),
});
export type Settings = z.infer<typeof Settings>;
export type Ports = Settings['ports'];

/** frps, gate and the rest listen there already: those ports are taken by ourselves. */
export type Holder = 'api' | 'gate' | 'frps';

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
  /** Parts of this market that run already. */
  running: ReadonlySet<Holder>;
}

/** The remembered choices where they still hold, the documented ports where they are free, else free ones. */
export async function chooseSettings(layout: Layout, wish: SettingsWish): Promise<Settings> {
  const kept = await readSettings(layout);
  const isDefault = layout.home === DEFAULT_HOME;
  const api = await apiPort(kept?.ports.api, wish, isDefault);
  const tunnels = kept && (wish.running.has('frps') || (await isPortFree(kept.ports.frps))) ? kept.ports : await tunnelPorts(isDefault);
  const gate = await stablePort(kept?.ports.gate, wish.running.has('gate'), isDefault ? DEFAULT_PORTS.gate : undefined);
  const network = kept ?? (await freeNetwork(isDefault));
  return {
    ports: {
      api,
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
  };
}

async function apiPort(kept: number | undefined, wish: SettingsWish, isDefault: boolean): Promise<number> {
  if (wish.apiPort === undefined) return stablePort(kept, wish.running.has('api'), isDefault ? DEFAULT_PORTS.api : undefined);
  const ours = wish.running.has('api') && kept === wish.apiPort;
  if (ours || (await isPortFree(wish.apiPort, '127.0.0.1'))) return wish.apiPort;
  throw new CliError(`port ${wish.apiPort} is in use by another program`, EXIT.refused, `See which one with: ss -ltnp 'sport = :${wish.apiPort}', or choose another with --port`);
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

/** `mst0` and 10.213/16 belong to the default folder; another market takes the first pair that no interface has. */
async function freeNetwork(isDefault: boolean): Promise<{ bridge: string; subnet: string }> {
  const taken = new Set(await readdir('/sys/class/net').catch(() => []));
  const numbers = isDefault ? [0] : shuffled(Array.from({ length: 30 }, (_, index) => index + 1));
  const number = numbers.find((candidate) => !taken.has(`mst${candidate}`)) ?? 0;
  return { bridge: `mst${number}`, subnet: `10.${213 + number}.0.0/16` };
}
