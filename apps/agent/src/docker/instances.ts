import { readFileSync } from 'node:fs';
import type { InstanceFault, InstanceSpec } from '@muster/shared-types';
import type Docker from 'dockerode';
import type { ContainerInspectInfo } from 'dockerode';
import { run } from './command.js';
import { containerOptions } from './container-spec.js';
import type { Disks, Owner } from './disks.js';
import { endingFault, faultOf, FaultError, isEngineDown, statusOf } from './faults.js';
import { hostNameservers, type Firewall } from './firewall.js';
import { boundedTail, type InstanceLogs } from './instance-logs.js';
import { isolatePorts } from './host-network.js';
import type { Images } from './images.js';
import { NO_OWN_LOG, ownLogAfter } from './own-log.js';
import { readLogCursor, writeLogCursor } from './log-cursor.rules.js';
import { startCommand, type CommandWish, type RunningCommand } from './running-command.js';
import { runInside } from './exec.js';
import { instanceArchive, ONSTART_COMMAND } from './instance-files.js';
import { containerName, EPOCH_LABEL, NODE_LABEL, ONSTART_LABEL, RENTAL_LABEL, SPEC_LABEL, GPUS_LABEL } from './labels.js';
import { listMounts } from './mounts.js';
import { endOrphans } from './orphans.js';
import type { ContainerState, EngineConfig, EngineResult, EngineStep, LogText, ObservedInstance } from './types.js';

export interface InstanceTools {
  config: EngineConfig;
  docker: Docker;
  disks: Disks;
  firewall: Firewall;
  images: Images;
  logs: InstanceLogs;
  /** Docker network of instances. */
  network: string;
  /** Who root inside is outside. */
  owner: Owner;
  /** Docker's own init is installed. */
  hasInit: boolean;
}

const DONE: EngineStep = { ok: true };
const NEVER = '0001-01-01T00:00:00Z';

/** Hard limit of open files of this process; a container may not ask for more. */
export function nofileHard(): number {
  const line = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8'));
  return Number(line?.[1]) || 1_048_576;
}

/** Containers of rentals: every verb is idempotent, knows a container by its name and checks that it bears our label. */
export class Instances {
  private readonly tools: InstanceTools;

  constructor(tools: InstanceTools) {
    this.tools = tools;
  }

  /** Null when the engine does not answer. */
  async observe(): Promise<ObservedInstance[] | null> {
    try {
      const infos = await Promise.all((await this.ids()).map((id) => this.inspect(id)));
      const mounted = new Set((await listMounts()).map((mount) => mount.target));
      return infos.filter((info) => info !== null).map((info) => this.describe(info, mounted));
    } catch (error) {
      if (isEngineDown(error)) return null;
      throw error;
    }
  }

  async ids(): Promise<string[]> {
    const { config, docker, network } = this.tools;
    // An engine that is not ours may serve other nodes too; ours are in our network.
    const ours = config.externalHost === undefined ? {} : { network: [network] };
    const containers = await docker.listContainers({ all: true, filters: { label: [RENTAL_LABEL], ...ours } });
    return containers.map((container) => container.Id);
  }

  /** By id or name; null when it is not there or not ours. */
  async inspect(id: string): Promise<ContainerInspectInfo | null> {
    try {
      const info = await this.tools.docker.getContainer(id).inspect();
      return info.Config.Labels?.[RENTAL_LABEL] === undefined ? null : info;
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  }

  find(rentalId: string): Promise<ContainerInspectInfo | null> {
    return this.inspect(containerName(rentalId));
  }

  private describe(info: ContainerInspectInfo, mounted: ReadonlySet<string>): ObservedInstance {
    const labels = info.Config.Labels;
    const rentalId = labels[RENTAL_LABEL] ?? '';
    const state = info.State;
    const running = state.Running;
    const ip = running ? this.ipOf(info) : null;
    return {
      rentalId,
      epoch: Number(labels[EPOCH_LABEL] ?? 0),
      specHash: labels[SPEC_LABEL] ?? '',
      nodeId: labels[NODE_LABEL] ?? '',
      containerId: info.Id,
      image: info.Config.Image,
      state: state.Status as ContainerState,
      ip,
      startedAt: state.StartedAt === NEVER ? null : state.StartedAt,
      exitCode: running || state.StartedAt === NEVER ? null : state.ExitCode,
      oomKilled: state.OOMKilled,
      gpuUuids: (labels[GPUS_LABEL] ?? '').split(',').filter((uuid) => uuid !== ''),
      diskMounted: mounted.has(this.tools.disks.mountPoint(rentalId)),
      // Without an address nobody reaches it: nothing is left to cut.
      accessCut: running && (ip === null || this.tools.firewall.isCut(ip)),
    };
  }

  private ipOf(info: ContainerInspectInfo): string | null {
    return info.NetworkSettings.Networks[this.tools.network]?.IPAddress || null;
  }

  create(spec: InstanceSpec, nodeId: string): Promise<EngineResult<{ containerId: string }>> {
    return caught(async () => {
      const present = await this.find(spec.rental_id);
      const kept = present && (await this.keepOrReplace(spec, present));
      if (kept) return { containerId: kept };
      const container = await this.makeWithDisk(spec, nodeId);
      try {
        const archive = await instanceArchive(spec);
        if (archive) await container.putArchive(archive, { path: '/' });
      } catch (error) {
        // A container without its keys must not be taken for a finished one by the next look.
        await container.remove({ force: true });
        throw error;
      }
      return { containerId: container.id };
    });
  }

  /** Side by side, as each takes about as long as the other. Without its disk no container stays. */
  private async makeWithDisk(spec: InstanceSpec, nodeId: string): Promise<Docker.Container> {
    const { disks, docker, owner } = this.tools;
    // What it kept is not here any more: an empty disk in its place would pass for it.
    if (spec.disk_kept && !(await disks.has(spec.rental_id))) throw new FaultError('disk_lost', 'The disk that was kept is no longer on the host.');
    const options = containerOptions(spec, await this.place(spec, nodeId));
    const [disk, container] = await Promise.allSettled([disks.ensure(spec.rental_id, spec.disk_gb, owner), docker.createContainer(options)]);
    if (container.status === 'rejected') throw container.reason;
    if (disk.status === 'fulfilled') return container.value;
    await container.value.remove({ force: true });
    throw disk.reason;
  }

  private async keepOrReplace(spec: InstanceSpec, present: ContainerInspectInfo): Promise<string | null> {
    const epoch = Number(present.Config.Labels[EPOCH_LABEL] ?? 0);
    if (epoch === spec.epoch && present.Config.Labels[SPEC_LABEL] === spec.spec_hash) return present.Id;
    if (epoch > spec.epoch) throw new FaultError('bad_spec', `A newer start (${epoch}) of this instance is here already.`);
    await this.removeContainer(spec.rental_id);
    return null;
  }

  private async place(spec: InstanceSpec, nodeId: string): Promise<Parameters<typeof containerOptions>[1]> {
    const { config, disks, hasInit, images, network } = this.tools;
    const workspace = disks.mountPoint(spec.rental_id);
    // Imported images bring an init of their own, which wants to be the first process.
    const init = hasInit && (await images.localName(spec.image)) === null;
    return { nodeId, workspace, network, nameservers: await hostNameservers(config), nofileHard: nofileHard(), init };
  }

  start(rentalId: string): Promise<EngineResult<{ ip: string }>> {
    return caught(async () => {
      const info = await this.mustFind(rentalId);
      const container = this.tools.docker.getContainer(info.Id);
      if (!info.State.Running) {
        if (await this.tools.disks.has(rentalId)) await this.tools.disks.mount(rentalId);
        await this.tools.logs.follow(rentalId, container);
        await container.start();
      }
      await isolatePorts(this.tools.config.bridge);
      const started = await this.mustFind(rentalId);
      const ip = this.ipOf(started);
      if (!started.State.Running || ip === null) throw new FaultError('exited_at_once', (await this.exitFaultOf(started))?.message ?? 'The instance ended at once.');
      await this.tools.firewall.restore(ip);
      await this.runOnstart(started);
      return { ip };
    });
  }

  /** Leaves it running in the background. Its own guard makes a second call do nothing. */
  async runOnstart(info: ContainerInspectInfo): Promise<void> {
    if (info.Config.Labels[ONSTART_LABEL] === undefined) return;
    const exec = await this.tools.docker.getContainer(info.Id).exec({ Cmd: ONSTART_COMMAND, AttachStdout: false, AttachStderr: false });
    await exec.start({ Detach: true });
  }

  cutAccess(rentalId: string): Promise<EngineStep> {
    return step(async () => {
      const info = await this.find(rentalId);
      const ip = info ? this.ipOf(info) : null;
      if (!info?.State.Running || ip === null) return;
      await this.tools.firewall.cutOff(ip);
      if (await this.closeSockets(ip)) return;
      await this.tools.docker.getContainer(info.Id).kill();
    });
  }

  /** Ends the host's own connections to the instance, which is every tunnel. False when this kernel cannot. */
  private async closeSockets(ip: string): Promise<boolean> {
    const { path } = this.tools.config;
    await run('ss', ['-K', '-H', '-n', '-t', 'dst', ip], { path });
    const left = await run('ss', ['-H', '-n', '-t', 'state', 'established', 'dst', ip], { path });
    return left.code === 0 && left.stdout.trim() === '';
  }

  stop(rentalId: string, graceS: number): Promise<EngineStep> {
    return step(async () => {
      const info = await this.find(rentalId);
      if (!info?.State.Running) return;
      const ip = this.ipOf(info);
      await ignoring([304, 404], this.tools.docker.getContainer(info.Id).stop({ t: graceS }));
      if (ip !== null) await this.tools.firewall.restore(ip);
    });
  }

  remove(rentalId: string, keepDisk: boolean): Promise<EngineStep> {
    return step(async () => {
      await this.removeContainer(rentalId);
      if (keepDisk) return this.tools.disks.unmount(rentalId);
      await this.tools.disks.destroy(rentalId);
      await this.tools.logs.forget(rentalId);
    });
  }

  private async removeContainer(rentalId: string): Promise<void> {
    const info = await this.find(rentalId);
    if (!info) return;
    const ip = this.ipOf(info);
    // 409: a removal that began earlier is not finished; the wait below sees its end.
    await ignoring([404, 409], this.tools.docker.getContainer(info.Id).remove({ force: true, v: true }));
    const deadline = performance.now() + 20_000;
    while ((await this.inspect(info.Id)) !== null) {
      if (performance.now() > deadline) throw new FaultError('internal', 'The container does not go away.');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    if (info.State.Status === 'created') await endOrphans(info.Id);
    if (ip !== null) await this.tools.firewall.restore(ip);
  }

  exec(rentalId: string, command: readonly string[], timeoutMs: number): Promise<EngineResult<{ exitCode: number; output: string }>> {
    return caught(async () => runInside(this.tools.docker.getContainer((await this.mustFind(rentalId)).Id), command, timeoutMs));
  }

  command(rentalId: string, wish: CommandWish): Promise<EngineResult<RunningCommand>> {
    return caught(async () => startCommand(this.tools.docker.getContainer((await this.mustFind(rentalId)).Id), wish));
  }

  /** Captured output; for images that write their own log (`/var/log/<name>.log`), that one too. */
  async logs(rentalId: string, lines: number, after?: string): Promise<LogText> {
    const from = readLogCursor(after);
    const captured = await this.tools.logs.after(rentalId, from?.captured);
    const info = await this.find(rentalId).catch(() => null);
    const own = info ? await ownLogAfter(this.tools.docker, info, from?.own) : NO_OWN_LOG;
    const joined = boundedTail(captured.text + own.text, lines);
    const cursor = writeLogCursor({ captured: captured.place, own: own.place });
    return { text: joined.text, truncated: joined.truncated, cursor, gap: from !== undefined && (captured.gap || own.gap || joined.truncated) };
  }

  async exitFault(rentalId: string): Promise<InstanceFault | null> {
    const found = await caught(async () => this.exitFaultOf(await this.mustFind(rentalId)));
    return found.ok ? found.value : found.fault;
  }

  private async exitFaultOf(info: ContainerInspectInfo): Promise<InstanceFault | null> {
    const { State: state } = info;
    if (state.Running || (state.StartedAt === NEVER && state.Error === '')) return null;
    const ranSeconds = Math.max(0, (Date.parse(state.FinishedAt) - Date.parse(state.StartedAt)) / 1000);
    const oomKilled = state.OOMKilled && state.ExitCode === 137;
    const fault = endingFault({ exitCode: state.ExitCode, oomKilled, error: state.Error, ranSeconds });
    const last = await this.tools.logs.read(info.Config.Labels[RENTAL_LABEL] ?? '', 3);
    return last.text.trim() === '' ? fault : { ...fault, message: `${fault.message} Its last output: ${last.text.trim()}`.slice(0, 2000) };
  }

  private async mustFind(rentalId: string): Promise<ContainerInspectInfo> {
    const info = await this.find(rentalId);
    if (!info) throw new FaultError('internal', 'There is no container of this instance.');
    return info;
  }
}

/** The outcome of a piece of work, with any failure as a fault. */
export async function caught<T>(work: () => Promise<T>): Promise<EngineResult<T>> {
  try {
    return { ok: true, value: await work() };
  } catch (error) {
    return { ok: false, fault: faultOf(error) };
  }
}

async function step(work: () => Promise<unknown>): Promise<EngineStep> {
  const result = await caught(work);
  return result.ok ? DONE : result;
}

/** Answers that mean "it is so already". */
export async function ignoring(statuses: readonly number[], call: Promise<unknown>): Promise<void> {
  try {
    await call;
  } catch (error) {
    if (!statuses.includes(statusOf(error) ?? 0)) throw error;
  }
}
