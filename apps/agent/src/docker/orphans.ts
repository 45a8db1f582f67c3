import { readdir, readFile } from 'node:fs/promises';
import { endProcesses } from './daemons.js';

/**
 * Ends what still runs in the cgroup of a container that the engine says never ran, once the engine has let go of it.
 * Race: dockerd is killed between telling containerd to start a container and noting that it runs. The next dockerd takes
 * the container for one that never ran and removes it, and its processes would go on unknown to everybody.
 */
export async function endOrphans(id: string): Promise<void> {
  const pids = (await readdir('/proc')).filter((entry) => /^\d+$/.test(entry));
  const inside = await Promise.all(pids.map(async (pid) => (await readFile(`/proc/${pid}/cgroup`, 'utf8').catch(() => '')).includes(id)));
  await endProcesses(pids.filter((_, at) => inside[at]).map(Number), 0);
}
