import { readdir, readFile, rm, rmdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import Docker from 'dockerode';
import { endProcesses, ensureDaemons, findDaemon, findOwnProcesses } from './daemons.js';
import { enginePaths, type EnginePaths } from './engine-paths.js';
import { removeFirewall } from './firewall.js';
import { removeBridge } from './host-network.js';
import { EXECUTION_LABEL, NODE_LABEL, RENTAL_LABEL } from './labels.js';
import { networkName, removeNetwork } from './network.js';
import { detachLoopsBelow, unmountBelow } from './mounts.js';
import { dockerAt } from './docker-at.js';
import type { EngineConfig } from './types.js';

/**
 * Leaves nothing of an engine running on this machine, whatever state it is in: containers, daemons, mounts, loop
 * devices, bridge, rules. Images and disks stay as files. With an external engine only our own containers and rules go;
 * `nodeId` then limits it to one node's. Safe to repeat.
 */
export async function cleanEngine(config: EngineConfig, nodeId?: string): Promise<void> {
  const paths = enginePaths(config);
  if (config.externalHost !== undefined) await leaveExternal(config, nodeId);
  else if (await hasRemains(paths)) await endOwnEngine(config, paths);
  for (const folder of [paths.mounts, paths.runDir]) await unmountBelow(folder, config.path);
  // A disk that was attached and not mounted keeps the pool busy, and has no path any more once the pool is detached.
  await detachLoopsBelow(paths.pool, config.path);
  await unmountBelow(paths.pool, config.path);
  await detachLoopsBelow(paths.engineDir, config.path);
  await rm(paths.jobIo, { recursive: true, force: true });
  await rm(paths.runDir, { recursive: true, force: true });
  await removeFirewall(config);
  if (config.externalHost === undefined) await removeBridge(config);
}

async function leaveExternal(config: EngineConfig, nodeId: string | undefined): Promise<void> {
  const docker = dockerAt(config);
  await removeContainers(docker, config, nodeId);
  await removeNetwork(docker, config);
}

async function hasRemains(paths: EnginePaths): Promise<boolean> {
  const runDir = await stat(paths.runDir).then(() => true, () => false);
  return runDir || (await findOwnProcesses(paths)).length > 0;
}

/** The engine removes its containers itself, started again for that when it was killed; what cannot be done so is killed. */
async function endOwnEngine(config: EngineConfig, paths: EnginePaths): Promise<void> {
  try {
    await ensureDaemons(config, paths);
    await removeContainers(dockerAt(config), config, undefined);
  } catch {
    // An engine that does not start or answer any more: the processes below are ended without its help.
  }
  const ids = await containerIds(paths);
  for (const [name, graceMs] of [['dockerd', 15_000], ['containerd', 5000]] as const) {
    const daemon = await findDaemon(paths, name);
    if (daemon) await endProcesses([daemon.pid], graceMs);
  }
  await endProcesses(await initPids(paths), 0);
  await endProcesses((await findOwnProcesses(paths)).map((process) => process.pid), 0);
  await removeCgroups(ids);
}

/** Ours are those with our label and, in an engine that others use too, in our network. */
async function removeContainers(docker: Docker, config: EngineConfig, nodeId: string | undefined): Promise<void> {
  const node = nodeId === undefined ? [] : [`${NODE_LABEL}=${nodeId}`];
  const network = config.externalHost === undefined ? {} : { network: [networkName(config)] };
  const labels = config.externalHost === undefined ? [RENTAL_LABEL, EXECUTION_LABEL] : [RENTAL_LABEL];
  const lists = await Promise.all(labels.map((label) => docker.listContainers({ all: true, filters: { label: [label, ...node], ...network } })));
  const containers = lists.flat();
  await Promise.allSettled(containers.map((container) => docker.getContainer(container.Id).remove({ force: true, v: true })));
}

const runcRoot = (paths: EnginePaths): string => join(paths.runDir, 'runtime-runc', 'moby');
const containerIds = (paths: EnginePaths): Promise<string[]> => readdir(runcRoot(paths)).catch(() => []);

/** First processes of containers that outlived their engine, from runc's own records. Their death ends all inside. */
async function initPids(paths: EnginePaths): Promise<number[]> {
  const pids: number[] = [];
  for (const id of await containerIds(paths)) {
    const text = await readFile(join(runcRoot(paths), id, 'state.json'), 'utf8').catch(() => '{}');
    const pid = (JSON.parse(text) as { init_process_pid?: number }).init_process_pid;
    // The record may be older than a reboot of the pid counter: only a process inside this container's cgroup counts.
    if (pid !== undefined && (await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')).includes(id)) pids.push(pid);
  }
  return pids;
}

async function removeCgroups(ids: readonly string[]): Promise<void> {
  const roots = ['/sys/fs/cgroup', ...(await readdir('/sys/fs/cgroup')).map((name) => join('/sys/fs/cgroup', name))];
  await Promise.allSettled(roots.flatMap((root) => ids.map((id) => rmdir(join(root, 'docker', id)))));
}
