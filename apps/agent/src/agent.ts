import { statfs } from 'node:fs/promises';
import { type EnrolResult, type Heartbeat, HOST_SHUTDOWN, type InstanceBeat, type InstanceSpec, type Inventory, type NodeStatus } from '@muster/shared-types';
import type { Logger } from 'pino';
import { bootId, bootSeconds } from './boot-clock.js';
import type { AgentConfig } from './config.js';
import { startEngine } from './docker/engine.js';
import { enginePaths } from './docker/engine-paths.js';
import type { Engine } from './docker/types.js';
import { loadOrCreateIdentity, type NodeIdentity } from './identity.js';
import { collectInventory } from './inventory/collect.js';
import { type GpuWatch, gpuWatch } from './inventory/gpu-watch.js';
import { sameFacts } from './inventory/inventory.rules.js';
import { nvidiaSmi } from './inventory/nvidia-smi.js';
import { Connection } from './link/connection.js';
import { sayGoodbye } from './link/goodbye.js';
import { serverHandlers } from './link/handlers.js';
import { Heartbeats } from './link/heartbeats.js';
import { enrol } from './link/market-http.js';
import { Reports } from './link/reports.js';
import { DesiredStore } from './loop/desired-store.js';
import { Loop } from './loop/loop.js';
import { beatsOf, updatesOf } from './loop/status.rules.js';
import { NodeFile, openStateDir, readJson, type StateDir, writeJson } from './state-dir.js';
import { type Sampler, sampler } from './telemetry/sample.js';
import { createTunnels } from './tunnel/tunnels.js';
import { capacityOf, heldByInstance } from './tasks/capacity.rules.js';
import { Tasks } from './tasks/tasks.js';
import type { Tunnels } from './tunnel/types.js';
import { AGENT_VERSION } from './version.js';

const INVENTORY_EVERY_MS = 60_000;
const DEFAULT_POOL_SHARE = 0.5;
/** A loop that has not turned for so long knows nothing of its tunnels any more. */
const STALE_LOOP_S = 10;
/** How long the market may take to end what runs here, and the instances their grace, before they are ended anyway. */
const FAREWELL_MS = 20_000;
const FAREWELL_LOOK_MS = 50;

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
  const [engine] = await Promise.all([
    startEngine({
      musterHome: config.musterHome,
      stateDir: config.stateDir,
      bridge: config.bridge,
      subnet: config.subnet,
      poolGb,
      proxyEnv: config.proxyEnv,
      ...(config.externalDocker && { externalHost: config.externalDocker }),
      ...(config.dockerd && { dockerdPath: config.dockerd }),
      ...(config.path && { path: config.path }),
    }),
    gpus.start(),
  ]);
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

const inventoryOf = (machine: Machine, clockOffsetS: number | null): Promise<Inventory> =>
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

/**
 * A running agent. INVARIANT: what it knows of instances lives in Docker's labels and in one document on disk, so a
 * kill -9 at any moment is harmless; engine, instances and frpc are never children whose life ends with it.
 */
export class Agent {
  private readonly connection: Connection;
  private readonly heartbeats: Heartbeats;
  private readonly reports: Reports;
  private readonly loop: Loop;
  private readonly tunnels: Tunnels;
  private readonly sampler: Sampler;
  private readonly imported: Promise<void>;
  private readonly startedS = bootSeconds();
  private tasks: Tasks | null = null;
  private sentInventory: Inventory | null = null;
  private lastInventory: Inventory | null = null;
  private clockOffsetS: number | null = null;
  private timer: NodeJS.Timeout | null = null;

  private constructor(
    private readonly machine: Machine,
    private readonly node: NodeFile,
    private readonly store: DesiredStore,
  ) {
    const { config, log, engine, identity, dir } = machine;
    this.tunnels = createTunnels({ folder: dir.frpc, frpcPath: config.frpcPath, log });
    this.sampler = sampler({ poolPath: enginePaths(engine.config).pool, gpus: () => machine.gpus.latest(), bridge: config.bridge });
    this.reports = new Reports(() => this.connection, log);
    this.imported = this.importImages();
    this.loop = new Loop({
      engine,
      tunnels: this.tunnels,
      store,
      nodeId: node.node_id,
      maxImageBytes: config.maxImageBytes,
      poolBytes: machine.poolBytes,
      imagesReady: this.imported,
      log,
      onPass: (observed, traces) => {
        this.reports.offer(updatesOf(store.doc, observed, traces));
        store.forgetGone((rentalId) => this.reports.hasToldGone(rentalId));
      },
    });
    this.connection = new Connection({
      backendUrl: config.backendUrl,
      hostApiKey: config.hostApiKey,
      nodeId: node.node_id,
      handlers: serverHandlers({ identity, nodeId: node.node_id, agentVersion: AGENT_VERSION, store, loop: this.loop, engine, tunnels: this.tunnels, tasks: () => this.tasks, log, challengedBy: () => this.connection.challengedBy }),
      log,
      onConnect: () => this.heartbeats.start(),
      onProven: () => this.proven(),
      onDisconnect: () => this.heartbeats.stop(),
    });
    this.heartbeats = new Heartbeats({
      connection: this.connection,
      compose: (seq) => this.heartbeat(seq),
      onAck: ({ server_time }) => {
        this.clockOffsetS = (Date.now() - Date.parse(server_time)) / 1000;
        this.loop.heard();
      },
      log,
    });
  }

  static async start(machine: Machine, node: NodeFile): Promise<Agent> {
    const store = await DesiredStore.open(machine.dir.desiredState, node.cluster_id, { bootId: bootId(), bootS: bootSeconds() }, machine.log);
    const agent = new Agent(machine, node, store);
    await agent.begin();
    return agent;
  }

  /** Says goodbye, then leaves engine, instances and tunnels to the next agent, or ends them all. */
  async stop(signal: string): Promise<void> {
    const { config, engine, gpus, log } = this.machine;
    const reason = config.stopEngine ? HOST_SHUTDOWN : signal;
    if (this.timer) clearInterval(this.timer);
    this.heartbeats.stop();
    if (config.stopEngine) await this.tasks?.shutDown();
    else this.tasks?.stop();
    if (this.connection.proven) {
      await sayGoodbye(this.connection, this.node.node_id, reason, log);
      if (config.stopEngine) await this.untilNothingIsLeft();
    }
    this.connection.close();
    await this.loop.stop();
    gpus.stop();
    this.sampler.stop();
    await this.tunnels.stop({ kill: config.stopEngine });
    await (config.stopEngine ? engine.stopEngine() : engine.detach());
  }

  /** The market ends the rentals of a machine that shuts down; told that they are gone, it frees what they held. */
  private async untilNothingIsLeft(): Promise<void> {
    const end = performance.now() + FAREWELL_MS;
    while (this.connection.proven && !this.isEmpty() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, FAREWELL_LOOK_MS));
  }

  private isEmpty(): boolean {
    const { instances, absent } = this.store.doc;
    return Object.keys(instances).length === 0 && Object.keys(absent).every((rentalId) => this.reports.hasToldGone(rentalId));
  }

  private async begin(): Promise<void> {
    const { engine, log } = this.machine;
    const { addr, port, ca } = this.node.tunnel_server;
    await this.tunnels.setServer({ addr, port, caPem: ca, nodeId: this.node.node_id });
    engine.onEvent((event) => {
      if (event.kind !== 'instance') log.info(event, 'engine');
      if (event.kind === 'up') void this.tasks?.sweep().catch((error: unknown) => log.warn({ err: error }, 'remains of executions could not be removed'));
      this.loop.wake();
    });
    await this.sampler.start();
    this.tasks = await this.openTasks();
    this.loop.start();
    this.connection.open();
    this.timer = setInterval(() => void this.tellInventory(), INVENTORY_EVERY_MS);
    this.timer.unref();
    this.machine.onGpus = () => void this.tellInventory();
  }

  private openTasks(): Promise<Tasks> {
    const { engine, identity, dir, config, log } = this.machine;
    const wanted = (): InstanceSpec[] => Object.values(this.store.doc.instances).map((one) => one.spec);
    return Tasks.open({
      engine,
      identity,
      nodeId: this.node.node_id,
      folder: dir.tasks,
      connection: () => this.connection,
      policy: { trustedOrigins: config.trustedOrigins },
      maxImageBytes: config.maxImageBytes,
      imagesReady: this.imported,
      offered: () => this.lastInventory && capacityOf(this.lastInventory),
      rentals: () => wanted().map(heldByInstance),
      draining: () => this.store.doc.draining,
      keepImages: () => wanted().map((spec) => spec.image),
      log,
    });
  }

  /** Never rejects: without them a start says that its image is missing. */
  private async importImages(): Promise<void> {
    const { engine, config, log } = this.machine;
    try {
      const made = await engine.importArchives(config.imagesDir);
      if (made.length > 0) log.info({ images: made }, 'local images imported');
    } catch (error) {
      log.error({ err: error }, 'the local images could not be imported');
    }
    void this.tellInventory();
  }

  private proven(): void {
    this.machine.log.info({ node_id: this.node.node_id }, 'connected to the market');
    this.reports.repeatAll();
    this.tasks?.proven();
    this.sentInventory = null;
    this.heartbeats.start();
    this.loop.wake();
    void this.tellInventory();
  }

  /** Sent at connect and whenever a fact changed. */
  private async tellInventory(): Promise<void> {
    if (!this.connection.proven) return;
    try {
      const inventory = await inventoryOf(this.machine, this.clockOffsetS);
      this.lastInventory = inventory;
      if (this.sentInventory && sameFacts(this.sentInventory, inventory)) return;
      const ack = await this.connection.send('inventory', { node_id: this.node.node_id, inventory });
      if (ack.ok) this.sentInventory = inventory;
      else this.machine.log.warn({ code: ack.problem.code }, 'the market did not take the inventory');
    } catch (error) {
      this.machine.log.warn({ err: error }, 'the inventory could not be sent; trying again');
    }
  }

  private heartbeat(seq: number): Heartbeat {
    const { doc } = this.store;
    return {
      node_id: this.node.node_id,
      status: this.status(),
      metrics: this.sampler.sample(),
      seq,
      up_s: Math.max(0, bootSeconds() - this.startedS),
      generation: doc.generation,
      instances: this.beats(),
      executions: this.tasks?.beats() ?? [],
    };
  }

  private beats(): InstanceBeat[] {
    const { lastObserved: observed, lastPassBootS, tracesView, use } = this.loop;
    if (!observed) return [];
    const now = bootSeconds();
    const stale = now - lastPassBootS > STALE_LOOP_S;
    return beatsOf(this.store.doc, { ...observed, bootS: now }, tracesView).map((beat) => ({
      ...beat,
      ...use.get(beat.rental_id),
      ...(stale && { tunnel_up: false, up_s: 0 }),
    }));
  }

  private status(): NodeStatus {
    if (this.store.doc.draining) return 'draining';
    return Object.keys(this.store.doc.instances).length + (this.tasks?.count ?? 0) > 0 ? 'busy' : 'online';
  }
}
