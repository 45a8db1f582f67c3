import { describe, expect, it } from 'vitest';
import { chartsOf, latest, valueText } from './series.rules';

const series = (measurement: 'instance' | 'gpu', name: string, unit: string, values: (number | null)[], labels = {}) => ({ measurement, name, unit, labels, points: values.map((value, index): [number, number | null] => [1000 + index * 5, value]) });

describe('charts', () => {
  const metrics = { from: '2026-11-21T12:00:00Z', to: '2026-11-21T13:00:00Z', step_s: 5, series: [
    series('instance', 'cpu_percent', '%', [1, null, 3]), series('instance', 'net_rx', 'B/s', [1, 2, 3]), series('instance', 'net_tx', 'B/s', [4, 5, null]),
    series('gpu', 'utilization', '%', [10, 20, 30], { gpu: 'GPU-a' }), series('gpu', 'utilization', '%', [40, 50, 60], { gpu: 'GPU-b' }), series('gpu', 'temp', '°C', [null, null, null], { gpu: 'GPU-a' }),
  ] };
  const charts = chartsOf(metrics, 'instance');

  it('what was never measured has none', () => expect(charts.map(({ id }) => id)).toEqual(['gpu', 'cpu', 'net']));
  it('lines have names where there are several', () => expect(charts.map(({ lines }) => lines.map(({ label }) => label))).toEqual([['GPU 0', 'GPU 1'], [''], ['in', 'out']]));
  it('gaps stay gaps', () => expect(charts[1]?.lines[0]?.values).toEqual([1, null, 3]));
  it('the newest value that there is', () => expect(charts[2]?.lines.map(latest)).toEqual([3, 5]));

  it.each([[3_200_000, 'B/s', '3.2 MB/s'], [512, 'B/s', '512 B/s'], [12_697, 'MiB', '12.4 GiB'], [41, '%', '41 %'], [1.234, '', '1.23'], [null, '%', '–']])('%s %s is %s', (value, unit, text) => {
    expect(valueText(value, unit).replaceAll('\u00a0', ' ')).toBe(text);
  });
});
