import { readFileSync } from 'node:fs';
import { readdir, readFile, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import type { HeartbeatMetrics, XidEvent } from '@muster/shared-types';
import type { GpuSnapshot } from '../inventory/gpu-watch.rules.js';
import { GB_BYTES } from '../inventory/offer-share.rules.js';
import { foreignLoad, type ForeignLoad, type IsOurs } from './foreign.js';
import {
  chooseCpuSensor,
  type CpuTimes,
  cpuPercent,
  parseCpuTimes,
  parseDiskBytes,
  parseLoad1m,
  parseMilliCelsius,
  parseNetBytes,
  parseRamUsedMb,
} from './proc.rules.js';

export type Metrics = HeartbeatMetrics;

export interface SamplerOptions {
  /** The file system of the engine: what instances fill. */
  poolPath: string;
  /** The last reading of the GPUs, from memory. */
  gpus: () => GpuSnapshot;
  /** Which containers are ours; without it nothing is said of foreign programs on GPUs. */
  isOurs?: IsOurs;
  /** Faults that the driver told of lately, from memory. */
  xids?: () => XidEvent[];
  /** The engine's bridge, whose bytes pass the card as well. */
  bridge?: string;
  proc?: string;
  sys?: string;
  /** Between readings of the slow things: a disk, a sensor or an engine may take its time, or hang. */
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
  disk_total_gb?: number;
  cpu_temp: number | null;
}

export function sampler(options: SamplerOptions): Sampler {
  const { proc = '/proc', slowIntervalMs = 5_000 } = options;
  const slow: SlowReadings = { disk_usage_gb: 0, cpu_temp: null };
  let cpu: CpuTimes | null = null;
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;

  let foreign: ReadonlyMap<string, ForeignLoad> = new Map();

  const tick = async (): Promise<void> => {
    const [readings, load] = await Promise.all([readSlowly(options), foreignOrNothing(options)]);
    Object.assign(slow, readings);
    foreign = load;
    if (!stopped) timer = setTimeout(() => void tick(), slowIntervalMs).unref();
  };

  return {
    sample: () => {
      const before = cpu;
      cpu = parseCpuTimes(readProc(proc, 'stat'));
      const xids = options.xids?.() ?? [];
      return { ...slow, ...gpuMetrics(options.gpus(), foreign), ...hostMetrics(options, cpuPercent(before, cpu)), ...(xids.length > 0 && { xids }) };
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
): Omit<Metrics, 'gpu_temp' | 'gpu_utilization' | 'gpus' | 'xids' | keyof SlowReadings> {
  const load_1m = parseLoad1m(readProc(proc, 'loadavg'));
  const net = parseNetBytes(readProc(proc, 'net/dev'), bridge);
  const disks = parseDiskBytes(readProc(proc, 'diskstats'));
  return {
    ram_usage_mb: parseRamUsedMb(readProc(proc, 'meminfo')) ?? 0,
    ...(cpu_utilization === null ? {} : { cpu_utilization }),
    ...(load_1m === null ? {} : { load_1m }),
    net_rx_bytes: net.rx,
    net_tx_bytes: net.tx,
    disk_read_bytes: disks.read,
    disk_write_bytes: disks.written,
  };
}

/** The arrays are in the order of the driver's indices; a GPU that does not answer keeps its place with null. */
function gpuMetrics(snapshot: GpuSnapshot, foreign: ReadonlyMap<string, ForeignLoad>): Pick<Metrics, 'gpu_temp' | 'gpu_utilization' | 'gpus'> {
  const inOrder = snapshot.samples.toSorted((a, b) => (a.index ?? 0) - (b.index ?? 0)).slice(0, 64);
  const gpus = inOrder.map((gpu) => (gpu.state === 'ok' ? { ...gpu, ...foreign.get(gpu.uuid) } : gpu));
  return {
    gpu_temp: gpus.map(({ temp }) => temp ?? null),
    gpu_utilization: gpus.map(({ utilization }) => utilization ?? null),
    gpus,
  };
}

/** Nothing is said of foreign programs while the engine does not say which containers are ours. */
async function foreignOrNothing({ gpus, isOurs, proc = '/proc' }: SamplerOptions): Promise<ReadonlyMap<string, ForeignLoad>> {
  if (!isOurs) return new Map();
  const late = setTimeoutPromise(START_PATIENCE_MS, new Map<string, ForeignLoad>(), { ref: false });
  return Promise.race([foreignLoad(gpus().activity, isOurs, proc), late]);
}

/** `/proc` is memory, so reading it does not wait. What a kernel does not have is empty. */
function readProc(proc: string, name: string): string {
  try {
    return readFileSync(join(proc, name), 'utf8');
  } catch {
    return '';
  }
}

/** What could not be read keeps its last value, so a mount that is gone for a moment does not show an empty disk. */
async function readSlowly({ poolPath, sys = '/sys' }: SamplerOptions): Promise<Partial<SlowReadings>> {
  const [disk, temp] = await Promise.allSettled([diskSizes(poolPath), cpuTemperature(sys)]);
  return {
    ...(disk.status === 'fulfilled' ? disk.value : {}),
    cpu_temp: temp.status === 'fulfilled' ? temp.value : null,
  };
}

async function diskSizes(path: string): Promise<{ disk_usage_gb: number; disk_total_gb: number }> {
  const { blocks, bfree, bsize } = await statfs(path);
  const gb = (count: number): number => Math.round((count * bsize * 10) / GB_BYTES) / 10;
  return { disk_usage_gb: gb(blocks - bfree), disk_total_gb: gb(blocks) };
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
