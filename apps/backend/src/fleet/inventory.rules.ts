import type { GpuInventory, Inventory, NodeTier } from '@muster/shared-types';

/** NVML and ROCm names of boards that are sold for servers. Everything else with a GPU is a consumer machine. */
const DATACENTER = /^(tesla\b|[abhlptv]\d{1,3}[a-z]?\b|gb?h?[0-9]{2,3}\b|gh200|rtx (pro )?[0-9]{4} ?(ada|server)|instinct|mi\d{2,3})/i;

export function tierOf(inventory: Pick<Inventory, 'gpus'>): NodeTier {
  if (inventory.gpus.length === 0) return 'cpu';
  return inventory.gpus.some((gpu) => DATACENTER.test(gpu.name)) ? 'gpu-datacenter' : 'gpu-consumer';
}

export interface Capacity {
  cpuTotal: number;
  ramMbTotal: number;
  diskGbTotal: number;
}
export interface Used {
  cpuUsed: number;
  ramMbUsed: number;
  diskGbUsed: number;
}

/** What the market counts with. Never below what is rented out now: a machine that shrank is full, not overbooked. */
export function capacityOf(inventory: Inventory, used: Used): Capacity {
  return {
    cpuTotal: Math.max(inventory.cpu_cores, used.cpuUsed),
    ramMbTotal: Math.max(inventory.cpu_ram_mb, used.ramMbUsed),
    diskGbTotal: Math.max(inventory.disk_gb, used.diskGbUsed),
  };
}

export interface GpuRow {
  uuid: string;
  /** The rental or execution that has it. */
  heldBy: string | null;
}
export interface GpuPlan {
  upsert: { uuid: string; index: number; name: string; gpuRamMb: number; state: string }[];
  /** Gone from the machine and held by nobody. */
  drop: string[];
  /** Gone from the machine but claimed: the row stays, because the claim stands on it. */
  lose: string[];
}

/** How the GPU rows of a node follow its inventory. A claimed row is never dropped. */
export function planGpus(rows: readonly GpuRow[], inventory: Pick<Inventory, 'gpus'>): GpuPlan {
  const stated = new Map(inventory.gpus.map((gpu) => [gpu.uuid, gpu]));
  const gone = rows.filter((row) => !stated.has(row.uuid));
  return {
    upsert: [...stated.values()].map((gpu) => ({ uuid: gpu.uuid, index: gpu.index, name: gpu.name, gpuRamMb: gpu.gpu_ram_mb, state: rentableState(gpu) })),
    drop: gone.filter((row) => row.heldBy === null).map((row) => row.uuid),
    lose: gone.filter((row) => row.heldBy !== null).map((row) => row.uuid),
  };
}

/** Only `ok` is rented. A board cut into MIG slices cannot be given out whole. */
const rentableState = (gpu: GpuInventory): string => (gpu.mig && gpu.state === 'ok' ? 'mig' : gpu.state);
