import { statfs } from 'node:fs/promises';
import type { InstanceFault, InstanceSpec } from '@muster/shared-types';
import type Docker from 'dockerode';
import { run } from './command.js';
import { cleanEngine } from './clean.js';
import { ensureDaemons, rereadRuntimes } from './daemons.js';
import { Disks, mountPool, prepareFolders, type Owner } from './disks.js';
import { dockerAt } from './docker-at.js';
import { enginePaths, type EnginePaths } from './engine-paths.js';
import { isEngineDown, statusOf } from './faults.js';
import { Firewall, hostNameservers } from './firewall.js';
import { ensureBridge, isolatePorts } from './host-network.js';
import { Images } from './images.js';
import { NODE_LABEL } from './labels.js';
import { InstanceLogs } from './instance-logs.js';
import { Instances, type InstanceTools } from './instances.js';
import { StatsReader } from './instance-stats.js';
import { hasGvisor } from './job-runtime.js';
import { ensureNetwork } from './network.js';
import { probe } from './probe.js';
import type { CommandWish, RunningCommand } from './running-command.js';
import { readRootUsage } from './root-usage.js';
import { EngineSupervisor } from './supervisor.js';
import { requireTools } from './tools.js';
import type { DiskUse, Engine, EngineConfig, EngineEvent, EngineFacts, EngineResult, EngineStep, InstanceStats, JobHost, LocalImage, LogText, ObservedInstance, PullOptions, RootUse } from './types.js';

export { cleanEngine };

const EXTERNAL_WEAKNESSES = [
  'The engine is not the agent\'s own: its owner can stop it, and a restart of it may end instances.',
  'Images and root file systems share the engine\'s disk with everything else on it.',
  'User namespaces and live restore are as that engine is set; the agent does not change them.',
];

/**
 * Brings a node's engine up, or adopts the one that runs: file system, bridge, firewall, daemons, in this order, so
 * that no instance ever runs unfenced. Throws an Error whose message says what is missing and what to do.
 */
export async function startEngine(config: EngineConfig): Promise<Engine> {
  const paths = enginePaths(config);
  await requireTools(config);
  await prepareFolders(paths);
  await mountPool(config, paths);
  if (config.externalHost === undefined) await ensureBridge(config);
  const firewall = new Firewall(config);
  await firewall.ensure();
  const adopted = config.externalHost === undefined && (await ensureDaemons(config, paths));
  const docker = dockerAt(config);
  const network = await ensureNetwork(docker, config);
  const tools: InstanceTools = {
    config,
    docker,
    firewall,
    network,
    disks: new Disks(paths, config.path),
    images: new Images(docker),
    logs: new InstanceLogs(paths.logs),
    owner: await remappedRoot(docker),
    hasInit: (await run('docker-init', ['--version'], { path: config.path })).code === 0,
  };
  if (adopted) await rereadRuntimes(paths);
  const engine = new LocalEngine(config, paths, tools, config.externalHost === undefined ? await jobHostOf(paths, tools) : null);
  await engine.open();
  if (adopted) await isolatePorts(config.bridge);
  return engine;
}

async function jobHostOf(paths: EnginePaths, { docker, network, owner, config }: InstanceTools): Promise<JobHost> {
  return {
    docker,
    network,
    owner,
    folders: { disks: paths.jobDisks, mounts: paths.mounts, inputs: paths.jobInputs, io: paths.jobIo },
    path: config.path,
    gvisor: await hasGvisor(config.path),
    nameservers: () => hostNameservers(config),
    fence: () => isolatePorts(config.bridge),
  };
}

/** The engine names its data folder after the remapped root: `…/100000.100000`; without user namespaces it is root. */
async function remappedRoot(docker: Docker): Promise<Owner> {
  const info = (await docker.info()) as { DockerRootDir?: string };
  const match = /\/(\d+)\.(\d+)$/.exec(info.DockerRootDir ?? '');
  return match ? { uid: Number(match[1]), gid: Number(match[2]) } : { uid: 0, gid: 0 };
}

class LocalEngine implements Engine {
  readonly config: EngineConfig;
  readonly weaknesses: readonly string[];
  private readonly paths: EnginePaths;
  private readonly tools: InstanceTools;
  private readonly instances: Instances;
  private readonly stats = new StatsReader();
  private readonly supervisor: EngineSupervisor;

  constructor(config: EngineConfig, paths: EnginePaths, tools: InstanceTools, readonly jobHost: JobHost | null) {
    this.config = config;
    this.paths = paths;
    this.tools = tools;
    this.weaknesses = config.externalHost === undefined ? [] : EXTERNAL_WEAKNESSES;
    this.instances = new Instances(tools);
    this.supervisor = new EngineSupervisor(config, paths, tools.docker, () => this.adopt());
  }

  async open(): Promise<void> {
    await this.adopt();
    await this.supervisor.open();
  }

  /** What a new agent or a new engine takes up again for each running instance: its output and its `onstart`. */
  private async adopt(): Promise<void> {
    for (const id of await this.instances.ids()) {
      const info = await this.instances.inspect(id);
      const rentalId = info?.Config.Labels['muster.rental'];
      if (!info?.State.Running || rentalId === undefined) continue;
      await this.tools.logs.follow(rentalId, this.tools.docker.getContainer(id));
      await this.instances.runOnstart(info);
    }
  }

  healthy(): boolean {
    return this.supervisor.healthy();
  }

  onEvent(listener: (event: EngineEvent) => void): () => void {
    return this.supervisor.listen(listener);
  }

  facts(): Promise<EngineFacts | null> {
    return this.orWhenDown(null, async () => {
      const [version, info] = await Promise.all([this.tools.docker.version(), this.tools.docker.info() as Promise<Record<string, unknown>>]);
      const runc = await run('runc', ['--version'], { path: this.config.path });
      return {
        version: version.Version,
        apiVersion: version.ApiVersion,
        storageDriver: String(info['Driver']),
        userns: this.tools.owner.uid !== 0,
        runc: /runc version (\S+)/.exec(runc.stdout)?.[1] ?? 'unknown',
        cgroupVersion: info['CgroupVersion'] === '2' ? 2 : 1,
        external: this.config.externalHost !== undefined,
      } as const;
    });
  }

  observe(): Promise<ObservedInstance[] | null> {
    return this.instances.observe();
  }

  hasImage(ref: string): Promise<boolean> {
    return this.orWhenDown(false, () => this.tools.images.has(ref));
  }

  listImages(): Promise<LocalImage[]> {
    return this.orWhenDown([], () => this.tools.images.list());
  }

  pull(ref: string, options: PullOptions = {}): Promise<EngineResult<{ digest: string | null }>> {
    return this.tools.images.pull(ref, options);
  }

  importArchives(dir: string): Promise<string[]> {
    return this.tools.images.importArchives(dir);
  }

  collectImages(keep: readonly string[]): Promise<string[]> {
    return this.orWhenDown([], () => this.tools.images.collect(keep));
  }

  create(spec: InstanceSpec, nodeId: string): Promise<EngineResult<{ containerId: string }>> {
    return this.instances.create(spec, nodeId);
  }

  start(rentalId: string): Promise<EngineResult<{ ip: string }>> {
    return this.instances.start(rentalId);
  }

  cutAccess(rentalId: string): Promise<EngineStep> {
    return this.instances.cutAccess(rentalId);
  }

  stop(rentalId: string, graceS: number): Promise<EngineStep> {
    return this.instances.stop(rentalId, graceS);
  }

  remove(rentalId: string, options: { keepDisk: boolean }): Promise<EngineStep> {
    return this.instances.remove(rentalId, options.keepDisk);
  }

  logs(rentalId: string, tailLines: number, after?: string): Promise<LogText> {
    return this.instances.logs(rentalId, tailLines, after);
  }

  command(rentalId: string, wish: CommandWish): Promise<EngineResult<RunningCommand>> {
    return this.instances.command(rentalId, wish);
  }

  exec(rentalId: string, command: readonly string[], timeoutMs = 30_000): Promise<EngineResult<{ exitCode: number; output: string }>> {
    return this.instances.exec(rentalId, command, timeoutMs);
  }

  async probePort(rentalId: string, port: number, options: { banner?: string; timeoutMs?: number } = {}): Promise<boolean> {
    const info = await this.orWhenDown(null, () => this.instances.find(rentalId));
    const ip = info?.NetworkSettings.Networks[this.tools.network]?.IPAddress;
    return ip ? probe(ip, port, options.banner, options.timeoutMs ?? 2000) : false;
  }

  exitFault(instance: ObservedInstance): Promise<InstanceFault | null> {
    return this.instances.exitFault(instance.rentalId);
  }

  async ensureFirewall(): Promise<boolean> {
    const bridgeMade = this.config.externalHost === undefined && (await ensureBridge(this.config));
    return (await this.tools.firewall.ensure()) || bridgeMade;
  }

  rootUsage(): Promise<RootUse[]> {
    return this.orWhenDown([], async () => {
      const infos = await Promise.all((await this.instances.ids()).map((id) => this.instances.inspect(id)));
      return readRootUsage(this.config, this.paths, infos.filter((info) => info !== null));
    });
  }

  async diskFree(): Promise<{ poolBytes: number; hostBytes: number }> {
    const [pool, host] = await Promise.all([statfs(this.paths.pool), statfs(this.paths.engineDir)]);
    return { poolBytes: pool.bavail * pool.bsize, hostBytes: host.bavail * host.bsize };
  }

  diskUse(rentalId: string): Promise<DiskUse | null> {
    return this.tools.disks.use(rentalId);
  }

  listDisks(): Promise<{ rentalId: string; sizeBytes: number; mounted: boolean }[]> {
    return this.tools.disks.list();
  }

  instanceStats(rentalId: string): Promise<InstanceStats | null> {
    return this.orWhenDown(null, async () => {
      const info = await this.instances.find(rentalId);
      return info?.State.Running ? this.stats.read(info.Id, info.State.Pid) : null;
    });
  }

  async knows(containerId: string): Promise<boolean> {
    try {
      const { Config } = await this.tools.docker.getContainer(containerId).inspect();
      return Object.hasOwn(Config.Labels, NODE_LABEL);
    } catch (error) {
      if (statusOf(error) === 404) return false;
      throw error;
    }
  }

  async detach(): Promise<void> {
    await this.supervisor.close();
    this.tools.logs.close();
  }

  async stopEngine(): Promise<void> {
    await this.detach();
    await cleanEngine(this.config);
  }

  private async orWhenDown<T>(fallback: T, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isEngineDown(error)) return fallback;
      throw error;
    }
  }
}
