import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { GpuInventory, GpuSample } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import type { SmiReport } from './gpu-reading.js';
import { parseSmiXml } from './nvidia-smi-parse.rules.js';

/** Real reports of real machines, kept outside the tree: their licences stay with them. */
const repository = fileURLToPath(new URL('../../../../', import.meta.url));
const folder = join(process.env['MUSTER_SHARED_DATA'] ?? join(repository, '..', 'shared', 'data'), 'nvidia-smi');
const present = existsSync(folder);

interface Expected {
  driver: string;
  cuda: number;
  gpus: Record<string, unknown>[];
}

const h100 = (i: number, temp: number, power_w: number) => ({
  uuid: i === 0 ? 'GPU-00000000-0000-0000-0000-000000000000' : `GPU-0000000${i}-0000-0000-0000-00000000000${i}`,
  index: i,
  name: 'H100 SXM',
  gpu_ram_mb: 81_559,
  pcie_gen: 5,
  pcie_width: 16,
  serial: `165000000000${i + 1}`,
  state: 'ok',
  mig: false,
  utilization: 0,
  memory_used_mb: 0,
  temp,
  power_w,
  ecc_volatile: 0,
  ecc_aggregate: 0,
  remap_failure: false,
  repair_pending: false,
  recovery_action: null,
});

const gb200 = {
  uuid: 'GPU-b200b200-0000-0000-0000-000000000000',
  index: 0,
  name: 'GB200',
  gpu_ram_mb: 196_608,
  pcie_gen: 6,
  pcie_width: 16,
  serial: '1562849103700',
  state: 'ok',
  mig: false,
  utilization: 50,
  memory_used_mb: 0,
  temp: 63,
  power_w: 565.11,
  // The first GPU of this machine has memory errors in both of its captures.
  ecc_volatile: 5,
  ecc_aggregate: 8,
  remap_failure: true,
  repair_pending: false,
  recovery_action: null,
};
const gb200Second = {
  ...gb200,
  uuid: 'GPU-b200b200-0000-0000-0000-000000000001',
  index: 1,
  serial: '1562849103701',
  ecc_volatile: 0,
  ecc_aggregate: 0,
  remap_failure: false,
};

/** What a person reads in each file. */
const expected: Record<string, Expected> = {
  'a100-sxm4-v12.xml': {
    driver: '535.54.03',
    cuda: 1202,
    gpus: [
      {
        uuid: 'GPU-513536b6-7d19-9063-b049-1e69664bb298',
        index: 0,
        name: 'A100 SXM4',
        gpu_ram_mb: 81_920,
        pcie_gen: 4,
        pcie_width: 16,
        serial: '1650522003820',
        state: 'ok',
        mig: true,
        utilization: null,
        memory_used_mb: 50,
        temp: 27,
        power_w: 67.03,
        ecc_volatile: 0,
        ecc_aggregate: 0,
        remap_failure: false,
        repair_pending: false,
        recovery_action: null,
      },
    ],
  },
  'gtx-1660-ti.xml': {
    driver: '418.43',
    cuda: 1001,
    gpus: [
      {
        uuid: 'GPU-304a277d-3545-63b8-3a36-dfde3c992989',
        index: 0,
        name: 'Graphics Device',
        gpu_ram_mb: 5912,
        pcie_gen: 3,
        pcie_width: 16,
        serial: null,
        state: 'ok',
        mig: false,
        utilization: 0,
        memory_used_mb: 0,
        temp: 40,
        power_w: 8.93,
        ecc_volatile: null,
        ecc_aggregate: null,
      },
    ],
  },
  'qx-a100.xml': {
    driver: '570.148.08',
    cuda: 1208,
    gpus: [
      {
        uuid: 'GPU-00000000-0000-0000-0000-000000000000',
        index: 0,
        name: 'A100 SXM4',
        gpu_ram_mb: 40_960,
        pcie_gen: 4,
        pcie_width: 16,
        serial: '1650000000001',
        state: 'ok',
        mig: false,
        utilization: 0,
        memory_used_mb: 0,
        temp: 33,
        power_w: 49.68,
        ecc_volatile: 0,
        recovery_action: null,
      },
    ],
  },
  'qx-gb200-ecc-injected.xml': {
    driver: '580.65.06',
    cuda: 1300,
    gpus: [gb200, gb200Second],
  },
  'qx-gb200-lost.xml': {
    driver: '580.65.06',
    cuda: 1300,
    gpus: [
      gb200,
      {
        ...gb200Second,
        gpu_ram_mb: 0,
        state: 'lost',
        utilization: null,
        memory_used_mb: null,
        temp: null,
        power_w: null,
        ecc_volatile: null,
        ecc_aggregate: null,
      },
    ],
  },
  'qx-h100.xml': {
    driver: '580.105.08',
    cuda: 1300,
    gpus: [
      h100(0, 29, 68.92),
      h100(1, 30, 67.16),
      h100(2, 29, 67.74),
      h100(3, 32, 71.77),
      h100(4, 32, 66.34),
      h100(5, 29, 68.25),
      h100(6, 31, 70.01),
      h100(7, 29, 68.18),
    ],
  },
  'rtx-3080-v13.xml': {
    driver: '595.58.03',
    cuda: 1302,
    gpus: [
      {
        uuid: 'GPU-19d6d965-2acc-f646-00f8-4c76979aabb4',
        index: 0,
        name: 'RTX 3080',
        gpu_ram_mb: 10_240,
        pcie_gen: 4,
        pcie_width: 16,
        serial: 'REDACTED',
        state: 'ok',
        mig: false,
        utilization: 65,
        memory_used_mb: 9184,
        temp: 27,
        power_w: 142.33,
        ecc_volatile: null,
      },
    ],
  },
  'tesla-t4.xml': {
    driver: '515.105.01',
    cuda: 1107,
    gpus: [
      {
        uuid: 'GPU-d37e67a5-91dd-3774-a5cb-99096249601a',
        index: 0,
        name: 'T4',
        gpu_ram_mb: 15_360,
        pcie_gen: 3,
        pcie_width: 8,
        serial: '0000000000000',
        state: 'ok',
        mig: false,
        utilization: 0,
        memory_used_mb: 1032,
        temp: 40,
        power_w: 26.78,
        ecc_volatile: 0,
      },
    ],
  },
};

/** What the charts and the rules of health take from each first GPU, as a person reads it. */
const sampledOfFirst: Record<string, Record<string, unknown>> = {
  'a100-sxm4-v12.xml': { memory_utilization: null, memory_temp: 44, power_limit_w: 500, clock_sm_mhz: 1275, clock_memory_mhz: 1593, fan_percent: null, pcie_gen: 4, pcie_width: 16, pcie_rx_kb_s: 0, pcie_tx_kb_s: 4_000, ecc_corrected: 0, ecc_uncorrected: 0, throttle: [], bus: '0000:01:00' },
  'gtx-1660-ti.xml': { memory_utilization: 1, memory_temp: null, power_limit_w: 130, clock_sm_mhz: 300, clock_memory_mhz: 405, fan_percent: 0, pcie_gen: 1, pcie_width: 16, ecc_corrected: null, ecc_uncorrected: null, throttle: [], bus: '0000:43:00' },
  'qx-a100.xml': { memory_utilization: 0, memory_temp: 34, power_limit_w: 400, clock_sm_mhz: 210, clock_memory_mhz: 1215, fan_percent: null, pcie_rx_kb_s: 300, pcie_tx_kb_s: 350, ecc_corrected: 0, throttle: [], bus: '0000:06:00', processes: [] },
  'qx-gb200-ecc-injected.xml': { memory_utilization: 25, memory_temp: 34, power_limit_w: 1_000, clock_sm_mhz: 345, clock_memory_mhz: 2_500, pcie_gen: 6, ecc_corrected: 0, ecc_uncorrected: 5, remap_failed: true, throttle: [], bus: '0000:0a:00' },
  'qx-gb200-lost.xml': { ecc_uncorrected: 5, remap_failed: true, bus: '0000:0a:00' },
  'qx-h100.xml': { memory_utilization: 0, power_limit_w: 700, clock_sm_mhz: 345, clock_memory_mhz: 2_619, pcie_gen: 5, ecc_corrected: 0, ecc_uncorrected: 0, remap_failed: false, throttle: [] },
  'rtx-3080-v13.xml': { memory_utilization: 9, memory_temp: null, power_limit_w: 320, clock_sm_mhz: 1_950, fan_percent: 0, pcie_gen: 4, pcie_rx_kb_s: 14_742_333, pcie_tx_kb_s: 1_066_699, ecc_corrected: null, bus: '0000:0c:00' },
  'tesla-t4.xml': { memory_utilization: 0, power_limit_w: 70, clock_sm_mhz: 585, clock_memory_mhz: 5_000, pcie_gen: 3, pcie_width: 8, pcie_rx_kb_s: 0, ecc_corrected: 0, bus: '0000:00:1e', processes: [{ pid: 675, computes: false, memory_mb: 22 }, { pid: 5_762, computes: true, memory_mb: 1_005 }] },
};

const read = (file: string): SmiReport => {
  const reading = parseSmiXml(readFileSync(join(folder, file), 'utf8'));
  if (!reading.ok) throw new Error(`${file}: ${reading.fault.message}`);
  return reading.report;
};

describe('real nvidia-smi reports', () => {
  if (process.env['CI']) {
    it('are there: CI reads them', () => expect(present, `no captures in ${folder}: set MUSTER_SHARED_DATA`).toBe(true));
  }

  it.skipIf(!present)('are all read by this table (captures of real nvidia-smi)', () => {
    expect(readdirSync(folder).toSorted()).toEqual(Object.keys(expected).toSorted());
  });

  it.skipIf(!present).each(Object.entries(expected))('%s gives what a person reads in it (captures of real nvidia-smi)', (file, want) => {
    const report = read(file);
    expect({ driver: report.driver_version, cuda: report.cuda_max_good, unidentified: report.unidentified }).toEqual({
      driver: want.driver,
      cuda: want.cuda,
      unidentified: 0,
    });
    expect(report.gpus).toHaveLength(want.gpus.length);
    report.gpus.forEach((reading, i) => {
      // The link of the inventory is what it can be, that of the sample what it is now.
      const { pcie_gen, pcie_width, ...now } = reading.sample;
      expect({ ...reading.health, ...now, ...reading.gpu }).toMatchObject(want.gpus[i] ?? {});
      if (i === 0) expect({ ...now, ...reading.activity, pcie_gen, pcie_width }).toMatchObject(sampledOfFirst[file] ?? { no: 'row' });
      expect(GpuInventory.safeParse(reading.gpu).success && GpuSample.safeParse(reading.sample).success).toBe(true);
    });
  });
});
