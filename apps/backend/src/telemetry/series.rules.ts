import { METRICS, type Measurement, type MetricSeries } from '@muster/shared-types';
import type { Resolution } from './resolution.rules.js';
import type { StoredSeries } from './telemetry.port.js';

/** What the parts of a range gave, as whole series: one entry per step, null where nothing was heard. */
export function wholeSeries(measurement: Measurement, found: readonly StoredSeries[], { fromS, toS, stepS }: Omit<Resolution, 'parts'>): MetricSeries[] {
  const units: Readonly<Record<string, string>> = METRICS[measurement];
  const steps = Math.round((toS - fromS) / stepS);
  const byKey = new Map<string, { series: StoredSeries; values: (number | null)[] }>();
  for (const series of found) {
    const key = `${series.name} ${series.labels.gpu ?? ''} ${series.labels.model ?? ''}`;
    const whole = byKey.get(key) ?? { series, values: Array.from({ length: steps }, (): number | null => null) };
    byKey.set(key, whole);
    for (const [atS, mean] of series.points) {
      const index = Math.round((atS - fromS) / stepS);
      if (index >= 0 && index < steps) whole.values[index] = mean;
    }
  }
  return [...byKey.values()]
    .filter(({ series }) => Object.hasOwn(units, series.name))
    .map(({ series: { name, labels }, values }) => ({ measurement, name, unit: units[name] ?? '', labels, points: values.map((value, index): [number, number | null] => [fromS + index * stepS, value]) }))
    .toSorted((a, b) => (a.labels['gpu'] ?? '').localeCompare(b.labels['gpu'] ?? '') || orderOf(units, a.name) - orderOf(units, b.name));
}

const orderOf = (units: Readonly<Record<string, string>>, name: string): number => Object.keys(units).indexOf(name);
