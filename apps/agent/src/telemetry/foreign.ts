import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { GpuActivity, GpuProcess } from '../inventory/gpu-reading.js';

/** Whether a container is one of ours; rejects while that cannot be told. */
export type IsOurs = (containerId: string) => Promise<boolean>;

export interface ForeignLoad {
  foreign_processes: number;
  foreign_memory_mb: number;
}

const CONTAINER_ID = /[0-9a-f]{64}/;

/** Per GPU, the programs that compute on it outside of our containers. A GPU of which it cannot be told is left out. */
export async function foreignLoad(activity: readonly GpuActivity[], isOurs: IsOurs, proc = '/proc'): Promise<Map<string, ForeignLoad>> {
  const loads = activity.map(async ({ uuid, processes }): Promise<[string, ForeignLoad]> => {
    const computing = processes.filter(({ computes }) => computes);
    const foreign = await Promise.all(computing.map(async (one) => ((await isForeign(one, isOurs, proc)) ? [one] : [])));
    const found = foreign.flat();
    return [uuid, { foreign_processes: found.length, foreign_memory_mb: found.reduce((sum, { memory_mb }) => sum + (memory_mb ?? 0), 0) }];
  });
  return new Map((await Promise.allSettled(loads)).flatMap((load) => (load.status === 'fulfilled' ? [load.value] : [])));
}

/** A program that has ended meanwhile is nobody's. */
async function isForeign({ pid }: GpuProcess, isOurs: IsOurs, proc: string): Promise<boolean> {
  const cgroups = await readFile(join(proc, String(pid), 'cgroup'), 'utf8').catch(() => null);
  if (cgroups === null) return false;
  const id = CONTAINER_ID.exec(cgroups)?.[0];
  return id === undefined || !(await isOurs(id));
}
