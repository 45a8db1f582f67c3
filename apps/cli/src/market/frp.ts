import { join } from 'node:path';
import { z } from 'zod';
import { programOf, REPOSITORY, type Layout } from './layout.js';
import { lastLineJson, runOnce } from './run-once.js';
import type { Ports } from './settings.js';

export interface FrpBinaries {
  frps: string;
  frpc: string;
}

/** The two binaries: named, cached, on PATH, or built now. */
export async function findFrp(layout: Layout, given: Partial<FrpBinaries>, env: Readonly<Record<string, string>>): Promise<FrpBinaries> {
  if (given.frps && given.frpc) return { frps: given.frps, frpc: given.frpc };
  const output = await runOnce('/bin/bash', [join(REPOSITORY, 'infra', 'frp', 'build.sh')], { env: { ...env, MUSTER_HOME: layout.home }, timeoutMs: 600_000, what: 'finding frp' });
  const values = new Map(output.trim().split('\n').map((line) => line.split('=', 2) as [string, string]));
  const [frps, frpc] = [values.get('FRPS_PATH'), values.get('FRPC_PATH')];
  if (!frps || !frpc) throw new Error('infra/frp/build.sh told no paths');
  return { frps, frpc };
}

const Prepared = z.object({ config_path: z.string(), ca_path: z.string() });

export interface FrpsFiles {
  configPath: string;
  caPath: string;
}

/** Writes frps.toml, and once the CA and the server's certificate. A running frps keeps the configuration it read. */
export async function prepareFrps(layout: Layout, ports: Ports, env: Readonly<Record<string, string>>): Promise<FrpsFiles> {
  const options = {
    state: layout.frps,
    'bind-port': ports.frps,
    'first-port': ports.tunnel_first,
    'last-port': ports.tunnel_last,
    'admin-port': ports.frps_admin,
    'gate-port': ports.gate,
  };
  const args = [programOf('tunnel-gate'), 'prepare-frps', ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)])];
  const made = Prepared.parse(lastLineJson(await runOnce(process.execPath, args, { env: { ...env }, timeoutMs: 30_000, what: 'preparing frps' })));
  return { configPath: made.config_path, caPath: made.ca_path };
}
