import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type InstanceSpec, type InstanceState, proxyName } from '@muster/shared-types';
import { type EnginePlace, makeEnginePlace, removePlace } from '@muster/testkit/engine/engine-place';
import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import { writeTestImage } from '@muster/testkit/engine/test-image';
import { Child } from '@muster/testkit/frp/child';
import { EchoClient } from '@muster/testkit/frp/echo-server';
import { TunnelServerFixture } from '@muster/testkit/frp/tunnel-server';
import { until } from '@muster/testkit/frp/until';
import Docker from 'dockerode';
import { findDaemon, findOwnProcesses } from '../../src/docker/daemons.js';
import { cleanEngine } from '../../src/docker/engine.js';
import { enginePaths, type EnginePaths } from '../../src/docker/engine-paths.js';
import { HOST_API_KEY, TestMarket } from './market.js';

const exec = promisify(execFile);
const AGENT = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
/** For `TestHost.open`: on a machine without a cache it builds frp first. */
export const OPEN_MS = 15 * 60_000;
/** Port of the echo in the test image. */
export const ECHO_PORT = 7000;
/** Greets, then gives back what it gets: a session to somebody inside, for as long as it is open. */
export const ECHO_COMMAND = ['/bin/sh', '-c', `trap 'exit 0' TERM; nc -ll -p ${ECHO_PORT} -e sh -c 'echo hello; exec cat' & wait`];

export interface HostOptions {
  gpus?: boolean;
  poolGb?: number;
  imagesDir?: string;
  env?: Record<string, string>;
}

/**
 * A machine with a real agent process, its own real engine, a real tunnel server and a market of the test's own.
 * `end` leaves nothing of them.
 */
export class TestHost {
  agent: Child | undefined;
  readonly paths: EnginePaths;
  readonly docker: Docker;
  private nextPort: number;

  private constructor(
    readonly place: EnginePlace,
    readonly tunnelServer: TunnelServerFixture,
    readonly market: TestMarket,
    private readonly options: HostOptions,
  ) {
    this.paths = enginePaths(place);
    this.docker = new Docker({ socketPath: this.paths.socket });
    this.nextPort = tunnelServer.firstPort;
  }

  /** Everything up and the node connected. */
  static async open(options: HostOptions = {}): Promise<TestHost> {
    const [tunnelServer, place] = await Promise.all([TunnelServerFixture.start(20), makeEnginePlace({ poolGb: options.poolGb ?? 5, gpus: options.gpus === true })]);
    const market = new TestMarket({
      tunnel: { host: '127.0.0.1', port: tunnelServer.port, ca_pem: tunnelServer.caPem },
      mintToken: (nodeId) => tunnelServer.token(nodeId),
    });
    const host = new TestHost(place, tunnelServer, market, options);
    try {
      await market.open();
      // As the market does at enrolment: a node that the gate does not know is refused at its first login.
      await tunnelServer.backend.change(market.nodeId, []);
      if (!options.imagesDir) await writeTestImage(host.imagesDir);
      await host.startAgent();
    } catch (error) {
      await host.end();
      throw error;
    }
    return host;
  }

  get imagesDir(): string {
    return this.options.imagesDir ?? join(this.place.musterHome, 'images');
  }

  /** Starts the agent; resolves when it has proven its key and named its images (not with `images: false`), or at once with `waits: false`. */
  async startAgent({ env = {}, waits = true, images = true }: { env?: Record<string, string>; waits?: boolean; images?: boolean } = {}): Promise<void> {
    const proofs = this.market.proofs;
    this.agent = Child.start('agent', process.execPath, [AGENT, 'run'], {
      PATH: process.env['PATH'],
      MUSTER_URL: this.market.url,
      MUSTER_HOST_API_KEY: HOST_API_KEY,
      MUSTER_HOME: this.place.musterHome,
      MUSTER_AGENT_BRIDGE: this.place.bridge,
      MUSTER_AGENT_SUBNET: this.place.subnet,
      MUSTER_AGENT_POOL_GB: String(this.place.poolGb),
      MUSTER_AGENT_PATH: this.place.path,
      MUSTER_IMAGES_DIR: this.imagesDir,
      MUSTER_NVIDIA_SMI: 'no-nvidia-smi-here',
      FRPC_PATH: this.tunnelServer.binaries.frpc,
      LOG_LEVEL: 'info',
      ...this.options.env,
      ...env,
    });
    if (!waits) return;
    await until('the node is connected', () => this.agent?.running === false || this.market.proofs > proofs, 60_000);
    this.agent.assertRunning();
    if (images) await until('its inventory has come', () => this.market.inventories.at(-1)?.images.some((image) => image.startsWith('muster/')), 60_000);
  }

  async killAgent(): Promise<void> {
    await this.agent?.signal('SIGKILL');
  }

  /** A public port that the gate lets this node open. */
  async port(): Promise<number> {
    const port = this.nextPort++;
    const known = this.tunnelServer.backend.table.nodes.find((node) => node.node_id === this.market.nodeId)?.proxies ?? [];
    await this.tunnelServer.backend.change(this.market.nodeId, [...known, { name: proxyName(port), port }]);
    return port;
  }

  /** What a rental of the echo looks like; its public port is the only value of the mapping. */
  async echoSpec(changes: Partial<InstanceSpec> = {}): Promise<InstanceSpec> {
    return testInstanceSpec({ command: ECHO_COMMAND, proxy_port_mapping: { [ECHO_PORT]: await this.port() }, ...changes });
  }

  /** Starts an echo instance and waits until it is reported running. */
  async rent(changes: Partial<InstanceSpec> = {}): Promise<InstanceSpec> {
    const spec = await this.echoSpec(changes);
    await this.market.start(spec);
    await this.reports(spec, 'running');
    return spec;
  }

  /** The first report of this state; fails early when the instance has failed instead. */
  async reports(spec: InstanceSpec, state: InstanceState, withinMs = 60_000) {
    return until(`${spec.rental_id} is reported ${state}`, () => {
      const updates = this.market.updatesOf(spec.rental_id);
      const found = updates.find((update) => update.state === state && update.epoch === spec.epoch);
      const over = updates.find((update) => update.fault);
      if (!found && over && state === 'running') throw new Error(`it is over: ${JSON.stringify(over)}\n${this.agent?.output}`);
      return found;
    }, withinMs);
  }

  /** A session through the public port of an echo instance. */
  session(spec: InstanceSpec): Promise<EchoClient> {
    const port = Object.values(spec.proxy_port_mapping)[0] ?? 0;
    return until(`port ${port} greets`, () => EchoClient.open(port), 60_000);
  }

  /** Ids of our containers in this engine, whatever state they are in. */
  async containers(rentalId?: string): Promise<{ id: string; state: string }[]> {
    const label = rentalId === undefined ? ['muster.rental'] : [`muster.rental=${rentalId}`];
    const all = await this.docker.listContainers({ all: true, filters: { label } });
    return all.map((container) => ({ id: container.Id, state: container.State }));
  }

  async container(spec: InstanceSpec): Promise<Docker.ContainerInspectInfo> {
    return this.docker.getContainer(`muster-${spec.rental_id}`).inspect();
  }

  /** Runs a command inside an instance; its output. */
  async inside(spec: InstanceSpec, ...command: string[]): Promise<string> {
    return (await exec('docker', ['-H', `unix://${this.paths.socket}`, 'exec', `muster-${spec.rental_id}`, ...command])).stdout;
  }

  hasDisk(spec: InstanceSpec): boolean {
    return existsSync(join(this.paths.disks, `${spec.rental_id}.img`));
  }

  async killDaemon(name: 'dockerd' | 'containerd'): Promise<void> {
    const daemon = await findDaemon(this.paths, name);
    if (!daemon) throw new Error(`${name} does not run`);
    process.kill(daemon.pid, 'SIGKILL');
  }

  async frpcPid(): Promise<number> {
    return (JSON.parse(await readFile(join(this.place.musterHome, 'agent', 'frpc', 'frpc.json'), 'utf8')) as { pid: number }).pid;
  }

  /** What the agent and its engine have on this machine now. */
  async remains(): Promise<Record<string, string[]>> {
    const [mounts, links, tables, loops, frpc] = await Promise.all([
      readFile('/proc/self/mountinfo', 'utf8'),
      readdir('/sys/class/net'),
      exec('nft', ['list', 'tables']).then((answer) => answer.stdout),
      exec('losetup', ['-n', '-O', 'BACK-FILE']).then((answer) => answer.stdout),
      exec('pgrep', ['-f', join(this.place.musterHome, 'agent', 'frpc')]).then((answer) => answer.stdout, () => ''),
    ]);
    const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');
    return {
      processes: (await findOwnProcesses(this.paths)).map((process) => process.name),
      mounts: lines(mounts).filter((line) => line.includes(this.place.musterHome) || line.includes(this.paths.runDir)),
      links: links.filter((link) => link === this.place.bridge),
      tables: lines(tables).filter((line) => line.includes(this.place.bridge)),
      loops: lines(loops).filter((line) => line.includes(this.place.musterHome)),
      frpc: lines(frpc),
    };
  }

  async end(): Promise<void> {
    await this.killAgent();
    const frpc = await this.frpcPid().catch(() => undefined);
    if (frpc !== undefined && existsSync(`/proc/${frpc}`)) process.kill(frpc, 'SIGKILL');
    await cleanEngine(this.place);
    await this.market.close();
    await this.tunnelServer.stop();
    await removePlace(this.place);
  }
}

export const NOTHING = { processes: [], mounts: [], links: [], tables: [], loops: [], frpc: [] };
