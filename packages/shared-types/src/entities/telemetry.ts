import { z } from 'zod';
import { Timestamp, Uuid } from '../units.js';

export const Measurement = z.enum(['node', 'gpu', 'instance']);
export type Measurement = z.infer<typeof Measurement>;

/**
 * What is measured, once: agents send it, stores keep it under these names, charts show it in these units.
 * A rate is made of two counters when a heartbeat arrives; everything else is kept as it was sent.
 */
export const METRICS = {
  node: {
    cpu_utilization: '%',
    load_1m: '',
    cpu_temp: '°C',
    ram_used_mb: 'MiB',
    disk_used_gb: 'GB',
    net_rx: 'B/s',
    net_tx: 'B/s',
    disk_read: 'B/s',
    disk_write: 'B/s',
  },
  gpu: {
    utilization: '%',
    memory_used_mb: 'MiB',
    memory_utilization: '%',
    temp: '°C',
    memory_temp: '°C',
    power_w: 'W',
    power_limit_w: 'W',
    clock_sm_mhz: 'MHz',
    clock_memory_mhz: 'MHz',
    fan_percent: '%',
    pcie_gen: '',
    pcie_width: 'lanes',
    pcie_rx: 'B/s',
    pcie_tx: 'B/s',
    ecc_corrected: 'errors',
    ecc_uncorrected: 'errors',
    /** 1 while heat slows it down; over a longer step the part of the time. */
    throttled: '',
    foreign_processes: 'processes',
  },
  instance: {
    /** 100 = one core. */
    cpu_percent: '%',
    ram_used_mb: 'MiB',
    disk_used_mb: 'MB',
    gpu_utilization: '%',
    gpu_memory_used_mb: 'MiB',
    net_rx: 'B/s',
    net_tx: 'B/s',
    /** 1 while its tunnel is up; over a longer step the part of the time. */
    up: '',
  },
} as const satisfies Record<Measurement, Record<string, string>>;
export type MetricName<M extends Measurement = Measurement> = M extends Measurement ? keyof (typeof METRICS)[M] & string : never;

/** How long each resolution is kept. */
export const TELEMETRY_TIERS = [
  { name: 'raw', stepS: 5, keptS: 7 * 86_400 },
  { name: '1m', stepS: 60, keptS: 90 * 86_400 },
  { name: '1h', stepS: 3_600, keptS: 2 * 365 * 86_400 },
] as const;
export type TelemetryTier = (typeof TELEMETRY_TIERS)[number]['name'];

export const MetricSeries = z
  .object({
    measurement: Measurement,
    /** A name of `METRICS`. */
    name: z.string(),
    unit: z.string(),
    /** `gpu` (UUID) and `model` where the measurement is of a GPU. */
    labels: z.record(z.string(), z.string()),
    /** Start of the step in seconds since 1970, and the mean over it; null where nothing was heard. Every step of the range is there. */
    points: z.array(z.tuple([z.number().int(), z.number().nullable()])),
  })
  .meta({ id: 'MetricSeries' });
export type MetricSeries = z.infer<typeof MetricSeries>;

/** `step_s` is what was used: the asked one rounded up to one that the age of the range still has. */
export const Metrics = z
  .object({ from: Timestamp, to: Timestamp, step_s: z.number().int().positive(), series: z.array(MetricSeries) })
  .meta({ id: 'Metrics' });
export type Metrics = z.infer<typeof Metrics>;

export const FindingSeverity = z.enum(['quarantine', 'delist', 'warn']);
export type FindingSeverity = z.infer<typeof FindingSeverity>;

/** Something that is wrong with a machine. It is closed when the machine shows that it is over. */
export const NodeFinding = z
  .object({
    id: Uuid,
    code: z.string(),
    gpu_uuid: z.string().nullable(),
    /** `quarantine`: off the market, rentals of that GPU end; `delist`: off the market; `warn`: told. */
    severity: FindingSeverity,
    message: z.string(),
    remediation: z.string(),
    since: Timestamp,
    cleared_at: Timestamp.nullable(),
  })
  .meta({ id: 'NodeFinding' });
export type NodeFinding = z.infer<typeof NodeFinding>;
