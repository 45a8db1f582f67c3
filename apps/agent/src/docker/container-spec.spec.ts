import { testInstanceSpec } from '@muster/testkit/engine/instance-spec';
import { describe, expect, it } from 'vitest';
import { containerOptions, type ContainerPlace } from './container-spec.js';

const place: ContainerPlace = { nodeId: 'node-1', workspace: '/disks/r', network: 'bridge', nameservers: ['1.1.1.1'], nofileHard: 20_000, init: false };
const limits = { gpu_indices: ['0'], gpu_uuids: ['GPU-a', 'GPU-b'], cpu_cores: 1.5, ram_limit: '2g' };

describe('containerOptions', () => {
  it('carries the whole identity on the container', () => {
    const spec = testInstanceSpec({ epoch: 7 });
    const options = containerOptions(spec, place);
    expect(options.name).toBe(`muster-${spec.rental_id}`);
    expect(options.Labels).toMatchObject({ 'muster.rental': spec.rental_id, 'muster.epoch': '7', 'muster.spec': spec.spec_hash, 'muster.node': 'node-1' });
  });

  it('limits memory with swap, CPU, processes, shared memory and open files', () => {
    const host = containerOptions(testInstanceSpec({ resource_limits: limits, shm_mb: 4096 }), place).HostConfig;
    expect(host).toMatchObject({ Memory: 2 * 2 ** 30, MemorySwap: 2 * 2 ** 30, NanoCpus: 1.5e9, PidsLimit: 4096, ShmSize: 2 * 2 ** 30 });
    expect(host?.Ulimits).toContainEqual({ Name: 'nofile', Soft: 20_000, Hard: 20_000 });
  });

  it('is hardened whatever the spec says', () => {
    const host = containerOptions(testInstanceSpec(), place).HostConfig;
    expect(host).toMatchObject({ CapDrop: ['ALL'], Privileged: false, RestartPolicy: { Name: 'no' }, LogConfig: { Type: 'none' }, Binds: ['/disks/r:/workspace'] });
    expect(host?.CapAdd).not.toContain('SYS_ADMIN');
    expect(host?.CapAdd).not.toContain('MKNOD');
    expect(host?.CapAdd).not.toContain('NET_RAW');
    expect(host?.SecurityOpt).toContain('no-new-privileges');
    expect(host).not.toHaveProperty('OomScoreAdj');
  });

  it('asks for GPUs by UUID and states them last, over what a tenant or image sets', () => {
    const spec = testInstanceSpec({ resource_limits: limits, env_vars: { NVIDIA_VISIBLE_DEVICES: 'all', TOKEN: 'x' } });
    const options = containerOptions(spec, place);
    expect(options.HostConfig?.DeviceRequests).toEqual([{ Driver: '', DeviceIDs: ['GPU-a', 'GPU-b'], Capabilities: [['gpu']] }]);
    expect(options.Env).toEqual(['TOKEN=x', 'NVIDIA_VISIBLE_DEVICES=GPU-a,GPU-b', 'NVIDIA_DRIVER_CAPABILITIES=compute,utility']);
  });

  it('gives no device to an instance without GPUs, even when its image asks for all', () => {
    const options = containerOptions(testInstanceSpec(), place);
    expect(options.HostConfig?.DeviceRequests).toEqual([]);
    expect(options.Env).toEqual(['NVIDIA_VISIBLE_DEVICES=void']);
  });

  it('keeps the command of the image unless the spec has one', () => {
    expect(containerOptions(testInstanceSpec(), place)).not.toHaveProperty('Cmd');
    expect(containerOptions(testInstanceSpec({ command: ['sleep', '1'] }), place).Cmd).toEqual(['sleep', '1']);
  });

  it.each(['', 'lots', '1k', '-1g'])('refuses %j as a memory limit by name', (ram_limit) => {
    expect(() => containerOptions(testInstanceSpec({ resource_limits: { ...limits, ram_limit } }), place)).toThrow(/ram_limit/);
  });
});
