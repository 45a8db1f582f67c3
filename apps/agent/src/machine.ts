import { statfs } from 'node:fs/promises';
import type { EnrolResult, Inventory } from '@muster/shared-types';
import type { Logger } from 'pino';
import { bootId } from './boot-clock.js';
import type { AgentConfig } from './config.js';
import type { Engine } from './docker/types.js';
import { engineOfNode } from './engine-of-node.js';
import { loadOrCreateIdentity, type NodeIdentity } from './identity.js';
import { collectInventory } from './inventory/collect.js';
import { type GpuWatch, gpuWatch } from './inventory/gpu-watch.js';
import { nvidiaSmi } from './inventory/nvidia-smi.js';
import { enrol } from './link/market-http.js';
import { NodeFile, openStateDir, readJson, type StateDir, writeJson } from './state-dir.js';

const DEFAULT_POOL_SHARE = 0.5;

export interface Machine {
  config: AgentConfig;
  log: Logger;
  dir: StateDir;
  identity: NodeIdentity;
  engine: Engine;
  gpus: GpuWatch;
  poolBytes: number;
  /** Called when the GPUs are other ones than before. */
  onGpus: () => void;
}

/** Everything on this machine that does not need the market: state folder, key, engine, GPUs. */
export async function openMachine(config: AgentConfig, log: Logger): Promise<Machine> {
  const dir = await openStateDir(config.stateDir);
  const identity = await loadOrCreateIdentity(dir.identityKey);
  const poolGb = config.poolGb ?? (await defaultPoolGb(config.stateDir));
  const machine = { onGpus: (): void => undefined };
  const gpus = gpuWatch({
    smi: nvidiaSmi({ path: config.nvidiaSmi }),
    file: dir.gpus,
    bootId: bootId(),
    onChange: () => machine.onGpus(),
    onError: (error) => log.error({ err: error }, 'the record of the GPUs could not be written'),
  });
  const [engine] = await Promise.all([engineOfNode(dir, config, poolGb, log), gpus.start()]);
  return Object.assign(machine, { config, log, dir, identity, engine, gpus, poolBytes: poolGb * 1e9 });
}

/** Ends a machine that has no agent yet. */
export async function closeMachine({ config, engine, gpus }: Machine): Promise<void> {
  gpus.stop();
  await (config.stopEngine ? engine.stopEngine() : engine.detach());
}

/** Half of what is free, so that a machine that does other work keeps room for it. */
async function defaultPoolGb(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return Math.max(5, Math.floor((bavail * bsize * DEFAULT_POOL_SHARE) / 1e9));
}

/** Measures the machine once. */
export const inventoryOf = (machine: Machine, clockOffsetS: number | null): Promise<Inventory> =>
  collectInventory({
    engine: machine.engine,
    gpus: machine.gpus,
    share: machine.config.share,
    poolBytes: machine.poolBytes,
    frpcPath: machine.config.frpcPath,
    policy: { unsafeGpuRuntime: machine.config.unsafeGpuRuntime },
    clockOffsetS,
    capabilities: machine.config.capabilities,
  });

/** Enrols the machine, or finds what enrolment gave it before. */
export async function joinMarket(machine: Machine): Promise<NodeFile> {
  const known = await readJson(machine.dir.node, NodeFile);
  if (known.kind === 'corrupt') throw new Error(known.message);
  if (known.kind === 'ok' && known.value.backend_url === machine.config.backendUrl) return known.value;
  const { config, identity } = machine;
  const result = await enrol({ ...config, identity, inventory: await inventoryOf(machine, null) });
  const node = nodeFileOf(result, config.backendUrl);
  await writeJson(machine.dir.node, node);
  machine.log.info({ node_id: node.node_id, name: result.name }, 'enrolled');
  return node;
}

const nodeFileOf = (result: EnrolResult, backendUrl: string): NodeFile => ({
  node_id: result.node_id,
  cluster_id: result.cluster_id,
  backend_url: backendUrl,
  tunnel_server: { addr: result.tunnel.host, port: result.tunnel.port, ca: result.tunnel.ca_pem },
});
