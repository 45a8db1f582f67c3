import type { GpuInventory, GpuSample } from '@muster/shared-types';
import type { GpuActivity, GpuHealth, SmiFault, SmiReading } from './gpu-reading.js';

/** What is known about the GPUs now. Complete: a GPU seen in this boot never drops out of it, it becomes `lost`. */
export interface GpuSnapshot {
  gpus: GpuInventory[];
  samples: GpuSample[];
  health: GpuHealth[];
  /** Of the last reading; empty when it failed. */
  activity: GpuActivity[];
  /** Where each GPU of this boot was seen, bus → UUID: the kernel names one that is lost by its bus. */
  buses: ReadonlyMap<string, string>;
  driver_version: string | null;
  /** major × 100 + minor. */
  cuda_max_good: number | null;
  /** GPUs that the driver lists and does not name. */
  unidentified: number;
  /** Why there is no fresh reading; null when there is one, or when the machine has no NVIDIA driver at all. */
  fault: SmiFault | null;
}

export const NO_GPUS: GpuSnapshot = {
  gpus: [],
  samples: [],
  health: [],
  activity: [],
  buses: new Map(),
  driver_version: null,
  cuda_max_good: null,
  unidentified: 0,
  fault: null,
};

/** The snapshot after one more reading. Pure. */
export function nextSnapshot(before: GpuSnapshot, reading: SmiReading): GpuSnapshot {
  return reading.ok ? afterReport(before, reading) : afterFault(before, reading.fault);
}

function afterReport(before: GpuSnapshot, { report }: Extract<SmiReading, { ok: true }>): GpuSnapshot {
  const seen = report.gpus.map(({ gpu }) => keepKnown(gpu, before.gpus));
  const uuids = new Set(seen.map(({ uuid }) => uuid));
  const gone = before.gpus.filter(({ uuid }) => !uuids.has(uuid)).map((gpu): GpuInventory => ({ ...gpu, state: 'lost' }));
  return {
    gpus: [...seen, ...gone].toSorted((a, b) => a.index - b.index || a.uuid.localeCompare(b.uuid)),
    samples: [...report.gpus.map(({ sample }) => sample), ...gone.map(emptySample)],
    health: report.gpus.map(({ health }) => health),
    activity: report.gpus.map(({ activity }) => activity),
    buses: new Map([...before.buses, ...report.gpus.flatMap(({ activity: { bus, uuid } }) => (bus === null ? [] : [[bus, uuid] as const]))]),
    driver_version: report.driver_version ?? before.driver_version,
    cuda_max_good: report.cuda_max_good ?? before.cuda_max_good,
    unidentified: report.unidentified,
    fault: null,
  };
}

/** No tool and no GPU seen in this boot is an honest CPU machine; anything else leaves the GPUs unknown. */
function afterFault(before: GpuSnapshot, fault: SmiFault): GpuSnapshot {
  if (fault.kind === 'absent' && before.gpus.length === 0) return NO_GPUS;
  const gpus = before.gpus.map((gpu): GpuInventory => ({ ...gpu, state: gpu.state === 'lost' ? 'lost' : 'unknown' }));
  return { ...before, gpus, samples: gpus.map(emptySample), health: [], activity: [], fault };
}

const emptySample = ({ uuid, index, state }: GpuInventory): GpuSample => ({
  uuid,
  index,
  utilization: null,
  memory_used_mb: null,
  temp: null,
  power_w: null,
  state,
});

/** A GPU that is failing no longer tells what it is; what it told before stays true of it. */
function keepKnown(now: GpuInventory, known: readonly GpuInventory[]): GpuInventory {
  const before = known.find(({ uuid }) => uuid === now.uuid);
  if (before === undefined) return now;
  return {
    ...now,
    name: now.state === 'ok' ? now.name : before.name,
    gpu_ram_mb: now.gpu_ram_mb || before.gpu_ram_mb,
    compute_cap: now.compute_cap ?? before.compute_cap,
    pcie_gen: now.pcie_gen ?? before.pcie_gen,
    pcie_width: now.pcie_width ?? before.pcie_width,
    serial: now.serial ?? before.serial,
  };
}

export function withComputeCaps(snapshot: GpuSnapshot, caps: ReadonlyMap<string, number>): GpuSnapshot {
  return { ...snapshot, gpus: snapshot.gpus.map((gpu) => ({ ...gpu, compute_cap: gpu.compute_cap ?? caps.get(gpu.uuid) ?? null })) };
}

/** What the market must hear about at once: another set of GPUs, another state, another driver. */
export function sameInventory(a: GpuSnapshot, b: GpuSnapshot): boolean {
  const facts = (s: GpuSnapshot): string =>
    JSON.stringify([
      s.gpus,
      s.driver_version,
      s.cuda_max_good,
      s.unidentified,
      s.fault?.kind ?? null,
      s.health.map((h) => [h.uuid, h.remap_failure]),
    ]);
  return facts(a) === facts(b);
}
