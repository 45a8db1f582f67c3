import { type ExecutionSpec, type InstanceSpec, type Inventory, parseBytes } from '@muster/shared-types';

export interface Capacity {
  cpuCores: number;
  ramMb: number;
  diskGb: number;
}

export interface Held extends Capacity {
  gpuUuids: readonly string[];
}

export const heldBy = (spec: ExecutionSpec): Held => ({ cpuCores: spec.cpu_cores, ramMb: spec.memory_mb, diskGb: spec.disk_gb, gpuUuids: spec.gpu_uuids });

export const heldByInstance = ({ resource_limits, disk_gb }: InstanceSpec): Held => ({
  cpuCores: resource_limits.cpu_cores,
  ramMb: (parseBytes(resource_limits.ram_limit) ?? 0) / 2 ** 20,
  diskGb: disk_gb,
  gpuUuids: resource_limits.gpu_uuids,
});

export const capacityOf = ({ cpu_cores, cpu_ram_mb, disk_gb }: Inventory): Capacity => ({ cpuCores: cpu_cores, ramMb: cpu_ram_mb, diskGb: disk_gb });

/** Why this machine cannot hold one more; null when it can. `held`: all rentals and unfinished executions. */
export function obstacleTo(wanted: Held, held: readonly Held[], offered: Capacity): string | null {
  const used = (pick: (one: Capacity) => number): number => held.reduce((sum, one) => sum + pick(one), 0);
  const taken = new Set(held.flatMap((one) => one.gpuUuids));
  const gpu = wanted.gpuUuids.find((uuid) => taken.has(uuid));
  if (gpu !== undefined) return `GPU ${gpu} is in use here`;
  const short = (name: string, pick: (one: Capacity) => number): string | null => {
    const free = pick(offered) - used(pick);
    return pick(wanted) > free ? `it needs ${pick(wanted)} ${name} and ${Math.max(0, free)} are free here` : null;
  };
  return short('CPU cores', (one) => one.cpuCores) ?? short('MB of memory', (one) => one.ramMb) ?? short('GB of disk', (one) => one.diskGb);
}
