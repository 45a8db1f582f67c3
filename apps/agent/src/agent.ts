import { type Heartbeat, HOST_SHUTDOWN, type InstanceBeat, type InstanceSpec, type Inventory, type NodeStatus } from '@muster/shared-types';
import { bootId, bootSeconds } from './boot-clock.js';
import { enginePaths } from './docker/engine-paths.js';
import { Execs } from './exec/execs.js';
import { sameFacts } from './inventory/inventory.rules.js';
import { Connection } from './link/connection.js';
import { sayGoodbye } from './link/goodbye.js';
import { serverHandlers } from './link/handlers.js';
import { Heartbeats } from './link/heartbeats.js';
import { Reports } from './link/reports.js';
import { DesiredStore } from './loop/desired-store.js';
import { Loop } from './loop/loop.js';
import { beatsOf, updatesOf } from './loop/status.rules.js';
import { inventoryOf, type Machine } from './machine.js';
import type { NodeFile } from './state-dir.js';
import { capacityOf, heldByInstance } from './tasks/capacity.rules.js';
import { Tasks } from './tasks/tasks.js';
import { type Sampler, sampler } from './telemetry/sample.js';
import { gpuShare } from './telemetry/gpu-share.rules.js';
import { XidWatch } from './telemetry/xid-watch.js';
import { createTunnels } from './tunnel/tunnels.js';
import type { Tunnels } from './tunnel/types.js';
import { AGENT_VERSION } from './version.js';

const INVENTORY_EVERY_MS = 60_000;
/** A loop that has not turned for so long knows nothing of its tunnels any more. */
const STALE_LOOP_S = 10;
/** How long the market may take to end what runs here, and the instances their grace, before they are ended anyway. */
const FAREWELL_MS = 20_000;
const FAREWELL_LOOK_MS = 50;

/**
 * A running agent. INVARIANT: what it knows of instances lives in Docker's labels and in one document on disk, so a
 * kill -9 at any moment is harmless; engine, instances and frpc are never children whose life ends with it.
 */
export class Agent {
  private readonly connection: Connection;
  private readonly heartbeats: Heartbeats;
  private readonly reports: Reports;
  private readonly loop: Loop;
  private readonly execs: Execs;
  private readonly tunnels: Tunnels;
  private readonly sampler: Sampler;
  private readonly xids = new XidWatch(() => this.beatNow());
  private readonly imported: Promise<void>;
  private readonly startedS = bootSeconds();
  private tasks: Tasks | null = null;
  private openingTasks: Promise<Tasks> | null = null;
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
    this.sampler = sampler({
      poolPath: enginePaths(engine.config).pool,
      gpus: () => machine.gpus.latest(),
      isOurs: (containerId) => engine.knows(containerId),
      xids: () => this.xids.events(machine.gpus.latest().buses),
      bridge: config.bridge,
    });
    this.reports = new Reports(() => this.connection, log);
    this.imported = this.importImages();
    store.jobImages = () => this.tasks?.images() ?? [];
    this.execs = new Execs({ engine, isWanted: (rentalId) => store.doc.instances[rentalId] !== undefined, post: (frame) => this.connection.post('exec_data', frame), log });
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
        this.execs.endUnwanted();
        store.forgetGone((rentalId) => this.reports.hasToldGone(rentalId));
      },
    });
    this.connection = new Connection({
      backendUrl: config.backendUrl,
      hostApiKey: config.hostApiKey,
      nodeId: node.node_id,
      handlers: serverHandlers({ identity, nodeId: node.node_id, agentVersion: AGENT_VERSION, store, loop: this.loop, engine, tunnels: this.tunnels, tasks: () => this.tasks, execs: this.execs, log, challengedBy: () => this.connection.challengedBy }),
      log,
      onConnect: () => this.heartbeats.start(),
      onProven: () => this.proven(),
      onDisconnect: () => {
        this.heartbeats.stop();
        this.execs.endAll();
      },
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
    this.execs.endAll();
    await this.loop.stop();
    gpus.stop();
    this.sampler.stop();
    await this.xids.stop();
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
    return Object.keys(instances).length === 0 && Object.keys(absent).every((rentalId) => this.reports.hasToldOver(rentalId));
  }

  private async begin(): Promise<void> {
    const { engine, log } = this.machine;
    const { addr, port, ca } = this.node.tunnel_server;
    await this.tunnels.setServer({ addr, port, caPem: ca, nodeId: this.node.node_id });
    engine.onEvent((event) => {
      if (event.kind !== 'instance') log.info(event, 'engine');
      if (event.kind === 'up') void this.takeUpTasks().catch((error: unknown) => log.warn({ err: error }, 'executions could not be taken up'));
      this.loop.wake();
    });
    await Promise.all([this.sampler.start(), this.xids.start()]);
    await this.takeUpTasks();
    this.loop.start();
    this.connection.open();
    this.timer = setInterval(() => void this.tellInventory(), INVENTORY_EVERY_MS);
    this.timer.unref();
    this.machine.onGpus = () => {
      this.beatNow();
      void this.tellInventory();
    };
  }

  /** Executions need an engine: one that comes late brings them late. An engine that comes back finds what it left. */
  private async takeUpTasks(): Promise<void> {
    if (this.tasks) return this.tasks.sweep();
    if (!this.machine.engine.healthy()) return;
    this.openingTasks ??= this.openTasks().finally(() => (this.openingTasks = null));
    this.tasks = await this.openingTasks;
    if (this.connection.proven) this.tasks.proven();
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
      keepImages: () => this.store.wantedImages(),
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

  /** What a renter must not wait for: a GPU is another one than before. */
  private beatNow(): void {
    if (this.connection.proven) this.heartbeats.start();
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
    const { samples } = this.machine.gpus.latest();
    return beatsOf(this.store.doc, { ...observed, bootS: now }, tracesView).map((beat) => ({
      ...beat,
      ...use.get(beat.rental_id),
      ...gpuShare(samples, observed.containers?.find((one) => one.rentalId === beat.rental_id)?.gpuUuids ?? []),
      ...(stale && { tunnel_up: false, up_s: 0, disk_s: undefined }),
    }));
  }

  private status(): NodeStatus {
    if (this.store.doc.draining) return 'draining';
    return Object.keys(this.store.doc.instances).length + (this.tasks?.count ?? 0) > 0 ? 'busy' : 'online';
  }
}
