import { PreflightRecord } from '@muster/shared-types';
import { describe, expect, it } from 'vitest';
import { NO_GPUS, nextSnapshot, type GpuSnapshot } from './gpu-watch.rules.js';
import { parseSmiXml } from './nvidia-smi-parse.rules.js';
import type { PreflightFacts } from './preflight-facts.js';
import { isListable, preflight } from './preflight.rules.js';
import { gpuXml, smiXml } from './smi-fixtures.js';

const sound: PreflightFacts = {
  machine: {
    hostname: 'host',
    os: 'Debian GNU/Linux 12 (bookworm)',
    kernel: '6.1.0-18-amd64',
    arch: 'x86_64',
    boot_id: 'boot',
    cpu_name: 'Some CPU',
    cpus: 8,
    cpu_quota: null,
    ram_mb: 32_000,
    cgroup_version: 2,
    cgroup_missing: [],
    user_namespaces: true,
    seccomp: true,
    nofile: 1_048_576,
    nft: '1.0.6',
    toolkit: '1.19.1',
  },
  gpus: NO_GPUS,
  engine: {
    version: '28.2.2',
    apiVersion: '1.50',
    storageDriver: 'overlay2',
    userns: true,
    runc: '1.3.6',
    cgroupVersion: 2,
    external: false,
  },
  engineWeaknesses: [],
  diskKind: 'loopback',
  disk: { poolBytes: 200e9, poolFreeBytes: 150e9, hostFreeBytes: 150e9 },
  frpc: '0.70.1',
  now_ms: Date.parse('2026-11-21T12:00:00Z'),
  clock_offset_s: 0.2,
};
const snapshot = (...gpus: string[]): GpuSnapshot => nextSnapshot(NO_GPUS, parseSmiXml(smiXml(gpus)));
const withGpus = (...gpus: string[]): PreflightFacts => ({ ...sound, gpus: snapshot(...gpus) });
const a = gpuXml({ uuid: 'GPU-a' });
const withMachine = (machine: Partial<PreflightFacts['machine']>): PreflightFacts => ({
  ...sound,
  machine: { ...sound.machine, ...machine },
});
const withEngine = (engine: Partial<NonNullable<PreflightFacts['engine']>>): PreflightFacts => ({
  ...sound,
  engine: sound.engine && { ...sound.engine, ...engine },
});
const statusOf = (facts: PreflightFacts, id: string): string => preflight(facts).find((one) => one.id === id)?.status ?? 'none';

describe('preflight', () => {
  it('passes a sound machine, with and without GPUs, in records of the contract', () => {
    for (const facts of [sound, withGpus(a, gpuXml({ uuid: 'GPU-b' }))]) {
      const records = preflight(facts);
      expect(records.filter(({ status }) => status !== 'pass')).toEqual([]);
      records.forEach((one) => PreflightRecord.parse(one));
      expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
    }
  });

  it.each<[string, PreflightFacts, string]>([
    ['kernel', withMachine({ kernel: '4.15.0' }), 'fail'],
    ['kernel', withMachine({ kernel: '5.4.0-42' }), 'warn'],
    ['arch', withMachine({ arch: 'riscv64' }), 'fail'],
    ['cgroup', withMachine({ cgroup_version: null }), 'fail'],
    ['cgroup', withMachine({ cgroup_version: 1, cgroup_missing: ['memory'] }), 'fail'],
    ['cgroup', withMachine({ cgroup_version: 1 }), 'pass'],
    ['user_namespaces', withMachine({ user_namespaces: false }), 'fail'],
    ['seccomp', withMachine({ seccomp: false }), 'fail'],
    ['ram', withMachine({ ram_mb: 1024 }), 'fail'],
    ['nofile', withMachine({ nofile: 4096 }), 'warn'],
    ['nofile', withMachine({ nofile: 256 }), 'fail'],
    ['firewall', withMachine({ nft: null }), 'fail'],
    ['frpc', { ...sound, frpc: null }, 'fail'],
    ['frpc', { ...sound, frpc: '0.69.9' }, 'fail'],
    ['clock', { ...sound, now_ms: 0 }, 'fail'],
    ['clock', { ...sound, clock_offset_s: -3600 }, 'warn'],
    ['clock', { ...sound, clock_offset_s: null }, 'skipped'],
    ['docker', { ...sound, engine: null }, 'fail'],
    ['runc', { ...sound, engine: null }, 'skipped'],
    ['docker', withEngine({ version: '19.03.15' }), 'fail'],
    ['docker', withEngine({ version: '20.10.24+dfsg1' }), 'pass'],
    ['engine', withEngine({ external: true }), 'warn'],
    ['runc', withEngine({ runc: '1.1.5+ds1' }), 'warn'],
    ['disk_kind', { ...sound, diskKind: 'none' }, 'fail'],
    ['disk_kind', { ...withEngine({ external: true }), diskKind: 'none' }, 'warn'],
    ['disk', { ...sound, disk: { ...sound.disk, poolBytes: 5e9 } }, 'warn'],
    ['disk', { ...sound, disk: { ...sound.disk, poolBytes: 0 } }, 'fail'],
    ['disk_free', { ...sound, disk: { ...sound.disk, hostFreeBytes: 5e9 } }, 'warn'],
    ['disk_free', { ...sound, disk: { ...sound.disk, poolFreeBytes: 1e9 } }, 'fail'],
    ['gpu_driver', { ...sound, gpus: { ...NO_GPUS, fault: { kind: 'driver_down', message: 'no driver' } } }, 'warn'],
    ['gpu_driver', { ...sound, gpus: nextSnapshot(snapshot(a), { ok: false, fault: { kind: 'timed_out', message: 'hangs' } }) }, 'fail'],
    ['gpu_state', withGpus(a, gpuXml({ uuid: 'GPU-b', temp: 'GPU is lost' })), 'warn'],
    ['gpu_state', withGpus(gpuXml({ uuid: 'GPU is lost' })), 'fail'],
    ['gpu_mig', withGpus(gpuXml({ mig: 'Enabled' })), 'fail'],
    ['gpu_toolkit', { ...withMachine({ toolkit: '1.17.4' }), gpus: snapshot(a) }, 'fail'],
    ['gpu_toolkit', { ...withMachine({ toolkit: null }), gpus: snapshot(a) }, 'fail'],
    ['runc', { ...withEngine({ runc: '1.1.5' }), gpus: snapshot(a) }, 'fail'],
  ])('%s %#', (id, facts, status) => {
    expect(statusOf(facts, id)).toBe(status);
    expect(isListable(preflight(facts))).toBe(!preflight(facts).some((one) => one.status === 'fail'));
  });

  it('warns of memory errors and fails when a GPU cannot mend them', () => {
    const { gpus } = withGpus(a);
    const ailing = { ...gpus, health: gpus.health.map((health) => ({ ...health, ecc_volatile: 5 })) };
    const broken = { ...gpus, health: gpus.health.map((health) => ({ ...health, remap_failure: true })) };
    expect([statusOf({ ...sound, gpus: ailing }, 'gpu_ecc'), statusOf({ ...sound, gpus: broken }, 'gpu_ecc')]).toEqual(['warn', 'fail']);
    expect(preflight({ ...sound, gpus: ailing }).find(({ id }) => id === 'gpu_ecc')?.actual).toContain('5 uncorrectable');
  });

  it('lets an operator who owns every machine take an old runtime on a GPU host', () => {
    const facts = { ...withEngine({ runc: '1.1.5' }), gpus: snapshot(a) };
    expect([isListable(preflight(facts)), isListable(preflight(facts, { unsafeGpuRuntime: 'warn' }))]).toEqual([false, true]);
  });

  it('tells what to do about everything that does not pass, and about nothing else', () => {
    const bad = preflight({ ...withMachine({ kernel: '3.10', nft: null }), engine: null, gpus: snapshot(gpuXml({ mig: 'Enabled' })) });
    for (const { status, remediation } of bad) expect(remediation === '').toBe(status === 'pass');
  });
});
