import { HeartbeatMetrics, InstanceBeat, METRICS } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import { sampled, type KnownNode } from './points.rules.js';

const RENTAL = '01900000-0000-7000-8000-000000000001';
const known: KnownNode = { nodeId: 'node-1', models: new Map([['GPU-1', 'RTX 4090']]), slots: new Map([[RENTAL, '3']]) };
const metrics = (over: object = {}): HeartbeatMetrics => HeartbeatMetrics.parse({ cpu_temp: null, gpu_temp: [], gpu_utilization: [], ram_usage_mb: 4_096, disk_usage_gb: 120, ...over });
const instance = (over: object = {}): InstanceBeat => InstanceBeat.parse({ rental_id: RENTAL, epoch: 1, state: 'running', tunnel_up: true, up_s: 9, ...over });

describe('a heartbeat', () => {
  it('with the five names of the contract alone gives what they say', () => {
    const { points } = sampled(known, { metrics: metrics({ cpu_temp: 45.5, gpu_temp: [60], gpu_utilization: [80] }) }, 1_000);
    expect(points).toEqual([{ measurement: 'node', tags: { node: 'node-1' }, atS: 1_000, fields: { cpu_temp: 45.5, ram_used_mb: 4_096, disk_used_gb: 120 } }]);
  });

  it('makes rates of counters: none at first, none over a gap, none when a counter began anew', () => {
    const beat = (rx: number): { metrics: HeartbeatMetrics } => ({ metrics: metrics({ net_rx_bytes: rx }) });
    const first = sampled(known, beat(1_000), 1_000);
    expect(first.points[0]?.fields).not.toHaveProperty('net_rx');
    expect(sampled(known, beat(6_000), 1_005, first.counters).points[0]?.fields['net_rx']).toBe(1_000);
    expect(sampled(known, beat(10), 1_005, first.counters).points[0]?.fields).not.toHaveProperty('net_rx');
    expect(sampled(known, beat(6_000), 1_100, first.counters).points[0]?.fields).not.toHaveProperty('net_rx');
    expect(sampled(known, beat(6_000), 1_000, first.counters).points[0]?.fields).not.toHaveProperty('net_rx');
  });

  it('counts an instance that was started again from zero', () => {
    const beat = (over: object) => ({ metrics: metrics(), instances: [instance(over)] });
    const first = sampled(known, beat({ rx_bytes: 1_000, tx_bytes: 0 }), 1_000);
    const next = sampled(known, beat({ rx_bytes: 1_500, tx_bytes: 10, epoch: 2 }), 1_005, first.counters);
    expect(next.points[1]).toEqual({ measurement: 'instance', tags: { node: 'node-1', slot: '3' }, atS: 1_005, fields: { up: 1 } });
    expect(sampled(known, beat({ rx_bytes: 1_500, tx_bytes: 10 }), 1_005, first.counters).points[1]?.fields).toEqual({ net_rx: 100, net_tx: 2, up: 1 });
  });

  it('speaks of known devices and rentals only', () => {
    const { points } = sampled({ ...known, models: new Map(), slots: new Map() }, { metrics: metrics({ gpus: [{ uuid: 'GPU-1', temp: 60 }] }), instances: [instance()] }, 1_000);
    expect(points.map(({ measurement }) => measurement)).toEqual(['node']);
  });

  it('gives a device only what it said, under the names of the contract', () => {
    const gpus = [{ uuid: 'GPU-1', utilization: 80, temp: null, pcie_rx_kb_s: 5, throttle: ['power_cap', 'sw_thermal'], power_w: 1e300 }];
    const { points } = sampled(known, { metrics: metrics({ gpus }) }, 1_000);
    expect(points[1]).toEqual({ measurement: 'gpu', tags: { node: 'node-1', gpu: 'GPU-1', model: 'RTX 4090' }, atS: 1_000, fields: { utilization: 80, pcie_rx: 5_000, throttled: 1 } });
    expect(points.flatMap(({ measurement, fields }) => Object.keys(fields).filter((name) => !Object.hasOwn(METRICS[measurement], name)))).toEqual([]);
  });
});
