import { readFileSync } from 'node:fs';
import { readdir, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import type { HeartbeatMetrics } from '@muster/shared-types';
import type { z } from 'zod';
import type { GpuSnapshot } from '../inventory/gpu-watch.rules.js';
import { GB_BYTES } from '../inventory/offer-share.rules.js';
import {
  chooseCpuSensor,
  type CpuTimes,
  cpuPercent,
  parseCpuTimes,
  parseLoad1m,
  parseMilliCelsius,
  parseNetBytes,
  parseRamUsedMb,
} from './proc.rules.js';

export type Metrics = z.infer<typeof HeartbeatMetrics>;

export interface SamplerOptions {
  /** The file system of the engine: what instances fill. */
  poolPath: string;
  /** The last reading of the GPUs, from memory. */
  gpus: () => GpuSnapshot;
  /** The engine's bridge, whose bytes pass the card as well. */
  bridge?: string;
  proc?: string;
  sys?: string;
  /** Between readings of the slow things: a disk or a sensor may take its time, or hang. */
  slowIntervalMs?: number;
}

export interface Sampler {
  /** The metrics of one heartbeat. Reads four files of `/proc` and memory; never waits for a device or a program. */
  sample(): Metrics;
  /** Starts the background readings; resolves after the first, or after 2 s when a disk or sensor hangs. */
  start(): Promise<void>;
  stop(): void;
}

const START_PATIENCE_MS = 2_000;

interface SlowReadings {
  disk_usage_gb: number;
  cpu_temp: number | null;
}

export function sampler(options: SamplerOptions): Sampler {
  const { proc = '/proc', slowIntervalMs = 10_000 } = options;
  const slow: SlowReadings = { disk_usage_gb: 0, cpu_temp: null };
  let cpu: CpuTimes | null = null;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  const tick = async (): Promise<void> => {
    Object.assign(slow, await readSlowly(options));
    if (!stopped) timer = setTimeout(() => void tick(), slowIntervalMs).unref();
  };

  return {
    sample: () => {
      const before = cpu;
      cpu = parseCpuTimes(readProc(proc, 'stat'));
      return { ...slow, ...gpuMetrics(options.gpus()), ...hostMetrics(options, cpuPercent(before, cpu)) };
    },
    start: async () => {
      cpu = parseCpuTimes(readProc(proc, 'stat'));
      await Promise.race([tick(), setTimeoutPromise(START_PATIENCE_MS, undefined, { ref: false })]);
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}

function hostMetrics(
  { proc = '/proc', bridge }: SamplerOptions,
  cpu_utilization: number | null,
): Omit<Metrics, 'gpu_temp' | 'gpu_utilization' | 'gpus' | keyof SlowReadings> {
  const load_1m = parseLoad1m(readProc(proc, 'loadavg'));
  const net = parseNetBytes(readProc(proc, 'net/dev'), bridge);
  return {
    ram_usage_mb: parseRamUsedMb(readProc(proc, 'meminfo')) ?? 0,
    ...(cpu_utilization === null ? {} : { cpu_utilization }),
    ...(load_1m === null ? {} : { load_1m }),
    net_rx_bytes: net.rx,
    net_tx_bytes: net.tx,
  };
}

/** The arrays are in the order of the driver's indices; a GPU that does not answer keeps its place with null. */
function gpuMetrics(snapshot: GpuSnapshot): Pick<Metrics, 'gpu_temp' | 'gpu_utilization' | 'gpus'> {
  const gpus = snapshot.samples.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0)).slice(0, 64);
  return {
    gpu_temp: gpus.map(({ temp }) => temp ?? null),
    gpu_utilization: gpus.map(({ utilization }) => utilization ?? null),
    gpus,
  };
}

/** `/proc` is memory, so reading it does not wait. */
const readProc = (proc: string, name: string): string => readFileSync(join(proc, name), 'utf8');

/** What could not be read keeps its last value, so a mount that is gone for a moment does not show an empty disk. */
async function readSlowly({ poolPath, sys = '/sys' }: SamplerOptions): Promise<Partial<SlowReadings>> {
  const [disk, temp] = await Promise.allSettled([diskUsageGb(poolPath), cpuTemperature(sys)]);
  return {
    ...(disk.status === 'fulfilled' ? { disk_usage_gb: disk.value } : {}),
    cpu_temp: temp.status === 'fulfilled' ? temp.value : null,
  };
}

async function diskUsageGb(path: string): Promise<number> {
  const { blocks, bfree, bsize } = await statfs(path);
  return Math.round(((blocks - bfree) * bsize * 10) / GB_BYTES) / 10;
}

async function cpuTemperature(sys: string): Promise<number | null> {
  const sensors = [
    ...(await listSensors(join(sys, 'class/hwmon'), 'name', 'temp1_input')),
    ...(await listSensors(join(sys, 'class/thermal'), 'type', 'temp')),
  ];
  const sensor = chooseCpuSensor(sensors);
  return sensor === null ? null : parseMilliCelsius(await readFile(sensor.file, 'utf8'));
}

/** Sensors below a class folder; none where the kernel has no such class. */
async function listSensors(folder: string, nameFile: string, valueFile: string): Promise<{ name: string; file: string }[]> {
  const entries = await readdir(folder).catch(() => []);
  const named = entries.map(async (entry) => ({
    name: (await readFile(join(folder, entry, nameFile), 'utf8')).trim(),
    file: join(folder, entry, valueFile),
  }));
  return (await Promise.allSettled(named)).flatMap((found) => (found.status === 'fulfilled' ? [found.value] : []));
}
