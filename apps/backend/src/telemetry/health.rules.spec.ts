import { HeartbeatMetrics } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import { judge, remediationOf, type HealthMemory } from './health.rules.js';

const GPU = 'GPU-1';
const metrics = (over: object = {}): HeartbeatMetrics => HeartbeatMetrics.parse({ cpu_temp: null, gpu_temp: [], gpu_utilization: [], ram_usage_mb: 1, disk_usage_gb: 10, disk_total_gb: 100, ...over });
const gpu = (over: object): HeartbeatMetrics => metrics({ gpus: [{ uuid: GPU, state: 'ok', ...over }] });
const xid = (code: number, ago_s = 2): HeartbeatMetrics => metrics({ xids: [{ seq: 7, boot_id: 'boot', xid: code, gpu_uuid: GPU, ago_s }] });
/** What a row of heartbeats, five seconds apart, leads to in the end. */
function after(...beats: HeartbeatMetrics[]): string[] {
  let memory: HealthMemory | undefined;
  let found: string[] = [];
  for (const [index, beat] of beats.entries()) {
    const judged = judge(beat, 1_000 + 5 * index, memory);
    memory = judged.memory;
    found = judged.faults.map(({ code, severity }) => `${code} ${severity}`);
  }
  return found;
}

describe('a heartbeat shows', () => {
  it.each([
    ['a healthy machine', gpu({ utilization: 100, ecc_uncorrected: 0, ecc_corrected: 9, throttle: ['power_cap', 'sync_boost'], foreign_processes: 0 }), []],
    ['a GPU that is lost', gpu({ state: 'lost' }), ['gpu_lost quarantine']],
    ['a GPU whose tool hangs', gpu({ state: 'unknown' }), []],
    ['memory errors', gpu({ ecc_uncorrected: 1 }), ['ecc_uncorrectable quarantine']],
    ['memory that cannot be replaced', gpu({ remap_failed: true }), ['row_remap_failed quarantine']],
    ['a GPU that saves itself from heat', gpu({ throttle: ['hw_thermal'] }), ['thermal_throttling warn']],
    ['a driver that slows down for heat, once', gpu({ throttle: ['sw_thermal'] }), []],
    ['a foreign program, once', gpu({ foreign_processes: 1 }), []],
    ['a disk nearly full', metrics({ disk_usage_gb: 94 }), ['disk_nearly_full warn']],
    ['a full disk', metrics({ disk_usage_gb: 99 }), ['disk_full delist']],
    ['a disk of unknown size', metrics({ disk_usage_gb: 99, disk_total_gb: 0 }), []],
    ['Xid 79', xid(79), ['xid_79 quarantine']],
    ['Xid 48', xid(48), ['xid_48 quarantine']],
    ['Xid 64', xid(64), ['xid_64 quarantine']],
    ['Xid 119', xid(119), ['xid_119 quarantine']],
    ['Xid 74', xid(74), ['xid_74 delist']],
    ['Xid 63', xid(63), ['xid_63 warn']],
    ['Xid 13', xid(13), ['xid_13 tenant']],
    ['Xid 31', xid(31), ['xid_31 tenant']],
    ['Xid 43', xid(43), ['xid_43 tenant']],
    ['Xid 45', xid(45), ['xid_45 tenant']],
    ['an Xid that nobody knows', xid(999), []],
  ])('%s', (_what, beat, found) => expect(after(beat)).toEqual(found));

  it('what lasts within ten seconds, and not what comes and goes', () => {
    const [hot, busy] = [gpu({ throttle: ['sw_thermal'] }), gpu({ foreign_processes: 2 })];
    expect(after(hot, hot)).toEqual(['thermal_throttling warn']);
    expect(after(busy, busy)).toEqual(['foreign_load delist']);
    expect(after(hot, gpu({}), hot)).toEqual([]);
  });

  it('since when: an event on the machine’s clock, within bounds; a state since the heartbeat before', () => {
    expect(judge(xid(79, 40), 1_000).faults[0]).toMatchObject({ agoS: 40, bootId: 'boot', eventId: 'boot:7', gpuUuid: GPU });
    expect(judge(xid(79, 1e9), 1_000).faults[0]?.agoS).toBe(600);
    expect(judge(gpu({ state: 'lost' }), 1_000, { atS: 995, streaks: new Map() }).faults[0]?.agoS).toBe(5);
    expect(judge(gpu({ state: 'lost' }), 1_000, { atS: 100, streaks: new Map() }).faults[0]?.agoS).toBe(10);
  });

  it('what a person can do, for everything that is held against a host', () => {
    for (const code of ['gpu_lost', 'ecc_uncorrectable', 'row_remap_failed', 'xid_79', 'xid_48', 'xid_64', 'xid_74', 'xid_63', 'thermal_throttling', 'foreign_load', 'disk_nearly_full', 'disk_full']) expect(remediationOf(code)).not.toBe('');
  });
});
