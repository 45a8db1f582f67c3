import type { Metrics, MetricSeries } from '@muster/shared-types';

export interface Line {
  label: string;
  values: (number | null)[];
}

export interface Chart {
  id: string;
  title: string;
  unit: string;
  /** Seconds since 1970; the same for every line. */
  at: number[];
  lines: Line[];
  /** Upper end of the scale when it is known beforehand. */
  most?: number;
}

interface Wanted {
  id: string;
  title: string;
  /** `measurement.name` of the series that belong in it, and what to call them. */
  of: readonly (readonly [string, string])[];
  most?: number;
}

const INSTANCE: readonly Wanted[] = [
  { id: 'gpu', title: 'GPU', of: [['gpu.utilization', ''], ['instance.gpu_utilization', '']], most: 100 },
  { id: 'vram', title: 'GPU memory', of: [['gpu.memory_used_mb', ''], ['instance.gpu_memory_used_mb', '']] },
  { id: 'temp', title: 'GPU temperature', of: [['gpu.temp', '']] },
  { id: 'power', title: 'GPU power', of: [['gpu.power_w', '']] },
  { id: 'cpu', title: 'CPU', of: [['instance.cpu_percent', '']] },
  { id: 'ram', title: 'Memory', of: [['instance.ram_used_mb', '']] },
  { id: 'net', title: 'Network', of: [['instance.net_rx', 'in'], ['instance.net_tx', 'out']] },
  { id: 'disk', title: 'Disk', of: [['instance.disk_used_mb', '']] },
];
const NODE: readonly Wanted[] = [
  { id: 'gpu', title: 'GPU', of: [['gpu.utilization', '']], most: 100 },
  { id: 'vram', title: 'GPU memory', of: [['gpu.memory_used_mb', '']] },
  { id: 'temp', title: 'Temperature', of: [['gpu.temp', ''], ['node.cpu_temp', 'CPU']] },
  { id: 'power', title: 'GPU power', of: [['gpu.power_w', '']] },
  { id: 'cpu', title: 'CPU', of: [['node.cpu_utilization', '']], most: 100 },
  { id: 'load', title: 'Load', of: [['node.load_1m', '']] },
  { id: 'ram', title: 'Memory', of: [['node.ram_used_mb', '']] },
  { id: 'net', title: 'Network', of: [['node.net_rx', 'in'], ['node.net_tx', 'out']] },
  { id: 'disk', title: 'Disk traffic', of: [['node.disk_read', 'read'], ['node.disk_write', 'written']] },
  { id: 'space', title: 'Disk used', of: [['node.disk_used_gb', '']] },
];

/** Small multiples over one time axis. What was never measured has no chart. */
export function chartsOf(metrics: Metrics, kind: 'instance' | 'node'): Chart[] {
  return (kind === 'instance' ? INSTANCE : NODE).flatMap((wanted) => {
    const found = wanted.of.flatMap(([key, name]) => metrics.series.filter((series) => `${series.measurement}.${series.name}` === key && hasValues(series)).map((series) => ({ series, name })));
    const [first] = found;
    if (!first) return [];
    const lines = found.map(({ series, name }, index) => ({ label: labelOf(series, name, found.length, index), values: series.points.map(([, value]) => value) }));
    return [{ id: wanted.id, title: wanted.title, unit: first.series.unit, at: first.series.points.map(([at]) => at), lines, ...(wanted.most !== undefined && { most: wanted.most }) }];
  });
}

const hasValues = ({ points }: MetricSeries): boolean => points.some(([, value]) => value !== null);

function labelOf({ labels }: MetricSeries, name: string, count: number, index: number): string {
  if (name !== '') return name;
  return count > 1 && labels['gpu'] !== undefined ? `GPU ${index}` : '';
}

const SCALES: Record<string, readonly [number, string][]> = {
  'B/s': [[1e9, 'GB/s'], [1e6, 'MB/s'], [1e3, 'kB/s']],
  MiB: [[1024, 'GiB']],
  MB: [[1000, 'GB']],
};

/** `3.2 MB/s`, `41 %`, `12.4 GiB`. */
export function valueText(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined) return '–';
  const [factor, name] = SCALES[unit]?.find(([from]) => Math.abs(value) >= from) ?? [1, unit];
  const scaled = value / factor;
  const digits = Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2;
  return `${Number(scaled.toFixed(digits))}${name === '' ? '' : `\u00a0${name}`}`;
}

/** The newest value that there is. */
export const latest = (line: Line): number | undefined => line.values.findLast((value) => value !== null) ?? undefined;
