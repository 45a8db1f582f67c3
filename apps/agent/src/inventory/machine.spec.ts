import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Inventory } from '@muster/shared-types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NO_GPUS } from './gpu-watch.rules.js';
import { buildInventory, sameFacts } from './inventory.rules.js';
import { readMachine } from './machine.js';

describe('readMachine', () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'muster-machine-'));
    await put('proc/sys/kernel/random/boot_id', 'b0070000-0000-4000-8000-000000000000\n');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  };
  const read = () => readMachine({ proc: join(root, 'proc'), sys: join(root, 'sys'), osRelease: join(root, 'os-release') });

  it('reads this machine, and an inventory of it is within the contract', async () => {
    const machine = await readMachine();
    expect(machine.ram_mb).toBeGreaterThan(256);
    expect(machine.cpus).toBeGreaterThan(0);
    expect(machine.nofile).toBeGreaterThan(0);
    const inventory = buildInventory({
      capabilities: ['runtime:gvisor'],
      machine,
      gpus: NO_GPUS,
      engine: null,
      poolBytes: 20e9,
      images: ['a', 'a', 'b'],
      preflight: [],
      agent_version: '0.1.0',
    });
    expect(Inventory.parse(inventory)).toMatchObject({ disk_gb: 12, docker: null, isolation: 'basic', images: ['a', 'b'], gpus: [] });
    expect(sameFacts(inventory, { ...inventory, preflight: [] })).toBe(true);
    expect(sameFacts(inventory, { ...inventory, images: ['a'] })).toBe(false);
  });

  it('reads a cgroup v2 machine with limits around the agent', async () => {
    await Promise.all([
      put('proc/cpuinfo', 'processor\t: 0\nmodel name\t: AMD EPYC(TM) 7B13  64-Core Processor\n'),
      put('proc/meminfo', 'MemTotal:       16384000 kB\n'),
      put(
        'proc/self/limits',
        'Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 524288               files\n',
      ),
      put('proc/sys/user/max_user_namespaces', '0\n'),
      put('sys/fs/cgroup/cgroup.controllers', 'cpuset cpu io memory\n'),
      put('sys/fs/cgroup/cpu.max', '150000 100000\n'),
      put('sys/fs/cgroup/memory.max', '8589934592\n'),
      put('os-release', 'NAME="Debian"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'),
    ]);
    expect(await read()).toMatchObject({
      os: 'Debian GNU/Linux 12 (bookworm)',
      boot_id: 'b0070000-0000-4000-8000-000000000000',
      cpu_name: 'AMD EPYC 7B13 64-Core Processor',
      cpu_quota: 1.5,
      ram_mb: 8192,
      cgroup_version: 2,
      cgroup_missing: ['pids'],
      user_namespaces: false,
      seccomp: false,
      nofile: 524_288,
    });
  });

  it('reads a cgroup v1 machine without limits', async () => {
    const rows = ['cpu', 'cpuset', 'memory', 'devices', 'freezer', 'pids'].map((name) => `${name}\t1\t1\t${name === 'pids' ? 0 : 1}`);
    await Promise.all([
      put('proc/cgroups', `#subsys_name\thierarchy\tnum_cgroups\tenabled\n${rows.join('\n')}\n`),
      put('proc/meminfo', 'MemTotal:       16384000 kB\n'),
      put('sys/fs/cgroup/cpu/cpu.cfs_quota_us', '-1\n'),
      put('sys/fs/cgroup/cpu/cpu.cfs_period_us', '100000\n'),
      put('sys/fs/cgroup/memory/memory.limit_in_bytes', '9223372036854771712\n'),
    ]);
    expect(await read()).toMatchObject({ cgroup_version: 1, cgroup_missing: ['pids'], cpu_quota: null, ram_mb: 16_000 });
  });
});
