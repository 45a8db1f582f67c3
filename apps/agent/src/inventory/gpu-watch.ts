import { GpuInventory } from '@muster/shared-types';
import { z } from 'zod';
import { readJson, writeJson } from '../state-dir.js';
import { type GpuSnapshot, NO_GPUS, nextSnapshot, sameInventory, withComputeCaps } from './gpu-watch.rules.js';
import type { NvidiaSmi } from './nvidia-smi.js';

/** The GPUs of one boot, on disk: an agent that starts while the driver hangs still knows what the machine has. */
const GpusFile = z.object({
  boot_id: z.string(),
  driver_version: z.string().nullable(),
  cuda_max_good: z.number().nullable(),
  gpus: z.array(GpuInventory),
});

export interface GpuWatchOptions {
  smi: NvidiaSmi;
  /** `gpus.json` of the state folder. */
  file: string;
  bootId: string;
  /** Between the end of one reading and the start of the next. */
  intervalMs?: number;
  /** Something other than a measurement changed: send the inventory again. */
  onChange?: (snapshot: GpuSnapshot) => void;
  /** The one thing that can go wrong outside a reading: the file cannot be written. */
  onError: (error: unknown) => void;
}

/**
 * Reads the GPUs in the background. `latest()` answers from memory, so a tool that hangs for ever makes GPUs `unknown`
 * and delays nobody. One reading at a time.
 */
export interface GpuWatch {
  latest(): GpuSnapshot;
  /** Reads now; resolves within the timeout of the tool. */
  refresh(): Promise<GpuSnapshot>;
  /** Loads what this boot has seen and starts reading. Resolves after the first reading. */
  start(): Promise<GpuSnapshot>;
  stop(): void;
}

/** So that the machines of one host do not all read in the same moment. */
const JITTER = 0.1;

export function gpuWatch(options: GpuWatchOptions): GpuWatch {
  const { smi, intervalMs = 5_000, onChange, onError } = options;
  let snapshot = NO_GPUS;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const refresh = async (): Promise<GpuSnapshot> => {
    const reading = await smi.read();
    let next = nextSnapshot(snapshot, reading);
    if (reading.ok && next.gpus.some((gpu) => gpu.compute_cap === null && !asked.has(gpu.uuid))) next = await addComputeCaps(next);
    const changed = !sameInventory(snapshot, next);
    snapshot = next;
    if (changed) await remember(options, next);
    if (changed) onChange?.(next);
    return next;
  };

  const asked = new Set<string>();
  /** Once for each GPU: an old driver does not know the query and never will. */
  const addComputeCaps = async (next: GpuSnapshot): Promise<GpuSnapshot> => {
    next.gpus.forEach(({ uuid }) => asked.add(uuid));
    return withComputeCaps(next, await smi.computeCaps());
  };

  const tick = async (): Promise<void> => {
    await refresh().catch(onError);
    if (!stopped) timer = setTimeout(() => void tick(), intervalMs * (1 - JITTER + 2 * JITTER * Math.random())).unref();
  };

  return {
    latest: () => snapshot,
    refresh,
    start: async () => {
      snapshot = await recall(options);
      await tick();
      return snapshot;
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

/** Nothing known where the file is of another boot, or damaged: then the first reading says what there is. */
async function recall({ file, bootId }: GpuWatchOptions): Promise<GpuSnapshot> {
  const known = await readJson(file, GpusFile);
  if (known.kind !== 'ok' || known.value.boot_id !== bootId) return NO_GPUS;
  const { gpus, driver_version, cuda_max_good } = known.value;
  return { ...NO_GPUS, gpus, driver_version, cuda_max_good };
}

/** A reading that failed teaches nothing that would be worth keeping. */
async function remember({ file, bootId }: GpuWatchOptions, next: GpuSnapshot): Promise<void> {
  if (next.fault !== null || next.gpus.length === 0) return;
  const { gpus, driver_version, cuda_max_good } = next;
  await writeJson(file, { boot_id: bootId, driver_version, cuda_max_good, gpus });
}
