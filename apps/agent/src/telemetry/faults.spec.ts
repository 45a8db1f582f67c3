import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { accessSync, constants, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { GpuActivity } from '../inventory/gpu-reading.js';
import { foreignLoad } from './foreign.js';
import { gpuShare } from './gpu-share.rules.js';
import { watchKernelLog } from './kernel-log.js';
import { parseDiskBytes } from './proc.rules.js';
import { type KernelRecord, parseKernelRecord, xidOf } from './xid.rules.js';

const xidIn = (raw: string): unknown => {
  const record = parseKernelRecord(raw);
  return record && xidOf(record);
};

describe('a record of the kernel', () => {
  it.each([
    ['4,1234,5678901,-;NVRM: Xid (PCI:0000:0B:00): 79, pid=1, name=x, GPU has fallen off the bus.\n SUBSYSTEM=pci\n', { seq: 1234, bootS: 5.678901, xid: 79, bus: '0000:0b:00' }],
    ['4,7,1,-;NVRM: Xid (PCI:00000000:01:00.0): 48, Double Bit ECC Error', { seq: 7, bootS: 0.000001, xid: 48, bus: '0000:01:00' }],
    ['4,7,1,c;NVRM: Xid (PCI:0000:01:00): 13, Graphics SM Warp Exception', { seq: 7, bootS: 0.000001, xid: 13, bus: '0000:01:00' }],
    ['4,7,1,-;NVRM: GPU 0000:01:00.0: RmInitAdapter failed!', null],
    ['4,7,1,-;python3[12]: NVRM: Xid (PCI:0000:01:00): 79', null],
    ['12,7,1,-;NVRM: Xid (PCI:0000:01:00): 79, written by a program', null],
    ['NVRM: Xid (PCI:0000:01:00): 79', null],
    ['', null],
  ])('%j gives %j', (raw, xid) => expect(xidIn(raw)).toEqual(xid));

  it('of any text breaks nothing', () => {
    fc.assert(fc.property(fc.string(), (text) => void xidIn(`4,1,1,-;${text}`)));
    fc.assert(fc.property(fc.string(), (text) => void xidIn(text)));
  });
});

/** A container may lack the log, or the right to it. */
const mayWriteLog = ((): boolean => {
  try {
    accessSync('/dev/kmsg', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
})();

describe('the kernel’s log', () => {
  it.skipIf(!mayWriteLog)('is read as it is written, and what a program writes there is no fault (needs /dev/kmsg)', async () => {
    const marker = `muster-test-${process.pid}-${Date.now()}`;
    const seen: KernelRecord[] = [];
    const log = await watchKernelLog((record) => void (record.text.includes(marker) && seen.push(record)));
    writeFileSync('/dev/kmsg', `<4>NVRM: Xid (PCI:ffff:ff:1f): 79, ${marker}\n`);
    await vi.waitUntil(() => seen.length > 0, { timeout: 20_000 });
    await log?.stop();
    expect(seen[0]).toMatchObject({ facility: 1, text: `NVRM: Xid (PCI:ffff:ff:1f): 79, ${marker}` });
    expect(seen.map(xidOf)).toEqual([null]);
  });

  it('may be missing', async () => expect(await watchKernelLog(() => undefined, '/dev/null/none')).toBeUndefined());
});

describe('programs on a GPU', () => {
  let proc: string;
  beforeEach(async () => {
    proc = await mkdtemp(join(tmpdir(), 'muster-proc-'));
  });
  afterEach(() => rm(proc, { recursive: true, force: true }));
  const program = async (pid: number, cgroup: string): Promise<void> => {
    await mkdir(join(proc, String(pid)));
    await writeFile(join(proc, String(pid), 'cgroup'), cgroup);
  };
  const ours = 'a'.repeat(64);
  const activity = (uuid: string, ...pids: number[]): GpuActivity => ({ uuid, bus: null, processes: pids.map((pid) => ({ pid, computes: pid !== 9, memory_mb: 100 })) });

  it('are foreign outside of our containers, unless they only draw or have ended', async () => {
    await program(1, `11:memory:/docker/${ours}\n1:name=systemd:/docker/${ours}\n`);
    await program(2, `0::/system.slice/docker-${'b'.repeat(64)}.scope\n`);
    await program(3, '0::/user.slice\n');
    await program(9, '0::/user.slice\n');
    const load = await foreignLoad([activity('GPU-a', 1, 2, 3, 4, 9), activity('GPU-b', 1)], async (id) => id === ours, proc);
    expect(Object.fromEntries(load)).toEqual({ 'GPU-a': { foreign_processes: 2, foreign_memory_mb: 200 }, 'GPU-b': { foreign_processes: 0, foreign_memory_mb: 0 } });
  });

  it('are not judged while the engine does not answer', async () => {
    await program(1, `0::/docker/${ours}\n`);
    await program(3, '0::/user.slice\n');
    const load = await foreignLoad([activity('GPU-a', 1), activity('GPU-b', 3)], () => Promise.reject(new Error('down')), proc);
    expect([...load.keys()]).toEqual(['GPU-b']);
  });
});

it('an instance has the mean load and all the memory of its GPUs', () => {
  const samples = [
    { uuid: 'a', utilization: 80, memory_used_mb: 10 },
    { uuid: 'b', utilization: null, memory_used_mb: 5 },
    { uuid: 'c', utilization: 99, memory_used_mb: 99 },
  ];
  expect(gpuShare(samples, ['a', 'b'])).toEqual({ gpu_utilization: 80, gpu_memory_used_mb: 15 });
  expect(gpuShare(samples, [])).toEqual({});
});

it('bytes of disks are counted once, partitions and layers not', () => {
  const line = (name: string): string => ` 259 0 ${name} 10 0 4 1 20 0 6 1 0 1 1`;
  expect(parseDiskBytes(['nvme0n1', 'nvme0n1p1', 'sda', 'sda1', 'loop0', 'dm-0', 'md0'].map(line).join('\n'))).toEqual({ read: 4_096, written: 6_144 });
  expect(parseDiskBytes('nonsense')).toEqual({ read: 0, written: 0 });
});
