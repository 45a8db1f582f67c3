import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { HeartbeatMetrics } from '@muster/shared-types';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_GPUS } from '../inventory/gpu-watch.rules.js';
import { cpuPercent, parseCpuTimes, parseLoad1m, parseMilliCelsius, parseNetBytes, parseRamUsedMb } from './proc.rules.js';
import { type Sampler, sampler } from './sample.js';

describe('readers of /proc', () => {
  it('count waiting for a disk as idle', () => {
    const before = parseCpuTimes('cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1\n');
    const now = parseCpuTimes('cpu  150 0 150 850 50 0 0 0 0 0\n');
    expect(cpuPercent(before, now)).toBe(50);
    expect(cpuPercent(now, now)).toBeNull();
    expect(parseCpuTimes('intr 5')).toBeNull();
  });

  it('count bytes of cards once', () => {
    const dev = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:    3193      29    0    0    0     0          0         0     3193      29    0    0    0     0       0          0
  eth0: 801868814   22903    0    0    0     0          0         0  1626428   16798    0    0    0     0       0          0
  mst7:     500       1    0    0    0     0          0         0      500       1    0    0    0     0       0          0
vethab1:     500       1    0    0    0     0          0         0      500       1    0    0    0     0       0          0
  own0:     500       1    0    0    0     0          0         0      500       1    0    0    0     0       0          0
`;
    expect(parseNetBytes(dev, 'own0')).toEqual({ rx: 801_868_814, tx: 1_626_428 });
  });

  it.each([
    ['45500\n', 45.5],
    ['-274000\n', null],
    ['', null],
    ['N/A', null],
  ])('sensor %j gives %s °C', (text, celsius) => expect(parseMilliCelsius(text)).toBe(celsius));

  it('never throw and never give NaN', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const numbers = [
          parseLoad1m(text),
          parseRamUsedMb(text),
          parseMilliCelsius(text),
          parseNetBytes(text).rx,
          parseCpuTimes(text)?.total ?? null,
        ];
        expect(numbers.some(Number.isNaN)).toBe(false);
      }),
    );
  });
});

describe('sampler', () => {
  let root: string;
  let running: Sampler | undefined;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'muster-sample-'));
  });
  afterEach(async () => {
    running?.stop();
    await rm(root, { recursive: true, force: true });
  });
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };

  it('gives metrics of this machine that the contract takes', async () => {
    running = sampler({ poolPath: root, gpus: () => NO_GPUS });
    await running.start();
    const metrics = HeartbeatMetrics.parse(running.sample());
    expect(metrics).toMatchObject({ gpu_temp: [], gpu_utilization: [] });
    expect(metrics.ram_usage_mb).toBeGreaterThan(10);
    expect(metrics.disk_usage_gb).toBeGreaterThan(0);
    expect(metrics.load_1m).toBeGreaterThanOrEqual(0);
  });

  it('reads what a machine says, GPUs in the order of their indices', async () => {
    await Promise.all([
      put('proc/stat', 'cpu  100 0 100 800 0 0 0 0 0 0\n'),
      put('proc/meminfo', 'MemTotal:       16384000 kB\nMemAvailable:   12189696 kB\n'),
      put('proc/loadavg', '1.25 1.00 0.50 2/300 12345\n'),
      put('proc/net/dev', 'x\ny\n  eth0: 10 0 0 0 0 0 0 0 20 0 0 0 0 0 0 0\n'),
      put('sys/class/hwmon/hwmon0/name', 'nvme\n'),
      put('sys/class/hwmon/hwmon0/temp1_input', '30000\n'),
      put('sys/class/hwmon/hwmon1/name', 'coretemp\n'),
      put('sys/class/hwmon/hwmon1/temp1_input', '45500\n'),
    ]);
    const samples = [
      { uuid: 'GPU-b', index: 1, temp: null, utilization: null, state: 'lost' as const },
      { uuid: 'GPU-a', index: 0, temp: 60, utilization: 80, state: 'ok' as const },
    ];
    running = sampler({ poolPath: root, gpus: () => ({ ...NO_GPUS, samples }), proc: join(root, 'proc'), sys: join(root, 'sys') });
    await running.start();
    await put('proc/stat', 'cpu  125 0 100 875 0 0 0 0 0 0\n');
    expect(running.sample()).toMatchObject({
      cpu_temp: 45.5,
      gpu_temp: [60, null],
      gpu_utilization: [80, null],
      ram_usage_mb: 4096,
      cpu_utilization: 25,
      load_1m: 1.25,
      net_rx_bytes: 10,
      net_tx_bytes: 20,
    });
  });

  it('shows no usage of a file system that is not there yet', async () => {
    running = sampler({ poolPath: join(root, 'none'), gpus: () => NO_GPUS });
    await running.start();
    expect(running.sample().disk_usage_gb).toBe(0);
  });
});
