import { HEARTBEAT_INTERVAL_MS, type GpuSample, type Heartbeat, type HeartbeatMetrics, type InstanceBeat } from '@muster/shared-types';
import type { Point } from './telemetry.port.js';

/** Counters of a machine's last heartbeat, by name: two of them make a rate. */
export interface Counters {
  atS: number;
  values: ReadonlyMap<string, number>;
}

export interface KnownNode {
  nodeId: string;
  /** Devices of its inventory, UUID → model. Others are not kept: names of series must not come from strangers. */
  models: ReadonlyMap<string, string>;
  /** Rentals of this node that have a place, rental → slot. */
  slots: ReadonlyMap<string, string>;
}

export interface Sampled {
  points: Point[];
  counters: Counters;
}

/** Over a longer silence a rate would be the mean of a time nobody saw. */
const LONGEST_RATE_S = (12 * HEARTBEAT_INTERVAL_MS) / 1_000;
/** Anything above is a mistake, and would make a chart unreadable. */
const LARGEST = 1e15;
const HEAT = new Set(['hw_thermal', 'sw_thermal']);

/** What one heartbeat adds to the charts. Pure; `proven` heartbeats only speak of instances. */
export function sampled(known: KnownNode, heartbeat: Pick<Heartbeat, 'metrics' | 'instances'>, atS: number, before?: Counters): Sampled {
  const counting = counter(atS, before);
  const points = [
    nodePoint(known, heartbeat.metrics, atS, counting),
    ...(heartbeat.metrics.gpus ?? []).flatMap((gpu) => gpuPoint(known, gpu, atS)),
    ...(heartbeat.instances ?? []).flatMap((instance) => instancePoint(known, instance, atS, counting)),
  ];
  return { points: points.filter((point) => Object.keys(point.fields).length > 0), counters: { atS, values: counting.values } };
}

interface Counting {
  values: Map<string, number>;
  /** Per second since the last heartbeat; undefined at the first, and when the counter began anew. */
  rate: (name: string, value: number | null | undefined) => number | undefined;
}

function counter(atS: number, before: Counters | undefined): Counting {
  const values = new Map<string, number>();
  const passed = before === undefined ? 0 : atS - before.atS;
  const rate = (name: string, value: number | null | undefined): number | undefined => {
    if (value === null || value === undefined) return undefined;
    values.set(name, value);
    const last = before?.values.get(name);
    return last === undefined || value < last || passed <= 0 || passed > LONGEST_RATE_S ? undefined : (value - last) / passed;
  };
  return { values, rate };
}

function nodePoint({ nodeId }: KnownNode, metrics: HeartbeatMetrics, atS: number, { rate }: Counting): Point {
  return {
    measurement: 'node',
    tags: { node: nodeId },
    atS,
    fields: told({
      cpu_utilization: metrics.cpu_utilization,
      load_1m: metrics.load_1m,
      cpu_temp: metrics.cpu_temp,
      ram_used_mb: metrics.ram_usage_mb,
      disk_used_gb: metrics.disk_usage_gb,
      net_rx: rate('net_rx', metrics.net_rx_bytes),
      net_tx: rate('net_tx', metrics.net_tx_bytes),
      disk_read: rate('disk_read', metrics.disk_read_bytes),
      disk_write: rate('disk_write', metrics.disk_write_bytes),
    }),
  };
}

function gpuPoint({ nodeId, models }: KnownNode, gpu: GpuSample, atS: number): Point[] {
  const model = models.get(gpu.uuid);
  if (model === undefined) return [];
  const fields = told({
    utilization: gpu.utilization,
    memory_used_mb: gpu.memory_used_mb,
    memory_utilization: gpu.memory_utilization,
    temp: gpu.temp,
    memory_temp: gpu.memory_temp,
    power_w: gpu.power_w,
    power_limit_w: gpu.power_limit_w,
    clock_sm_mhz: gpu.clock_sm_mhz,
    clock_memory_mhz: gpu.clock_memory_mhz,
    fan_percent: gpu.fan_percent,
    pcie_gen: gpu.pcie_gen,
    pcie_width: gpu.pcie_width,
    pcie_rx: bytes(gpu.pcie_rx_kb_s),
    pcie_tx: bytes(gpu.pcie_tx_kb_s),
    ecc_corrected: gpu.ecc_corrected,
    ecc_uncorrected: gpu.ecc_uncorrected,
    throttled: gpu.throttle === undefined ? undefined : Number(gpu.throttle.some((reason) => HEAT.has(reason))),
    foreign_processes: gpu.foreign_processes,
  });
  return [{ measurement: 'gpu', tags: { node: nodeId, gpu: gpu.uuid, model }, atS, fields }];
}

function instancePoint({ nodeId, slots }: KnownNode, instance: InstanceBeat, atS: number, { rate }: Counting): Point[] {
  const slot = slots.get(instance.rental_id);
  if (slot === undefined) return [];
  const counterOf = (name: string): string => `${instance.rental_id}:${instance.epoch}:${name}`;
  const fields = told({
    cpu_percent: instance.cpu_percent,
    ram_used_mb: instance.ram_used_mb,
    disk_used_mb: instance.disk_used_mb,
    gpu_utilization: instance.gpu_utilization,
    gpu_memory_used_mb: instance.gpu_memory_used_mb,
    net_rx: rate(counterOf('rx'), instance.rx_bytes),
    net_tx: rate(counterOf('tx'), instance.tx_bytes),
    up: Number(instance.tunnel_up),
  });
  return [{ measurement: 'instance', tags: { node: nodeId, slot }, atS, fields }];
}

const bytes = (kilobytes: number | null | undefined): number | null | undefined => (typeof kilobytes === 'number' ? kilobytes * 1_000 : kilobytes);

/** Fields that have a value a chart can show. */
function told(values: Record<string, number | null | undefined>): Record<string, number> {
  return Object.fromEntries(Object.entries(values).filter((entry): entry is [string, number] => typeof entry[1] === 'number' && Math.abs(entry[1]) < LARGEST));
}
