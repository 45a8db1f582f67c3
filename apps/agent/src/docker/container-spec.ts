import { parseBytes, type InstanceSpec } from '@muster/shared-types';
import type { ContainerCreateOptions, DeviceRequest } from 'dockerode';
import { hardening, sanitiseEnv } from './hardening.js';
import { containerName, instanceLabels } from './labels.js';

/** What the host adds to a spec. */
export interface ContainerPlace {
  nodeId: string;
  /** Folder on the host that becomes `/workspace`. */
  workspace: string;
  /** Docker network: `bridge` for our own engine. */
  network: string;
  nameservers: readonly string[];
  nofileHard: number;
  /** Docker has its own init for images that bring none. */
  init: boolean;
}

const MIN_MEMORY_BYTES = 6 * 2 ** 20;

/** Docker's options for an instance. Throws a RangeError naming the field that makes no sense. */
export function containerOptions(spec: InstanceSpec, place: ContainerPlace): ContainerCreateOptions {
  const limits = spec.resource_limits;
  const memory = parseBytes(limits.ram_limit);
  if (memory === undefined || memory < MIN_MEMORY_BYTES) throw new RangeError(`ram_limit ${JSON.stringify(limits.ram_limit)} is not an amount of memory such as "16g"`);
  return {
    name: containerName(spec.rental_id),
    Image: spec.image,
    Hostname: `muster-${spec.rental_id.replaceAll('-', '').slice(-12)}`,
    ...(spec.command.length === 0 ? {} : { Cmd: [...spec.command] }),
    Env: [...sanitiseEnv(spec.env_vars), ...gpuEnv(limits.gpu_uuids)],
    Labels: instanceLabels(spec, place.nodeId),
    AttachStdout: false,
    AttachStderr: false,
    OpenStdin: false,
    Tty: false,
    HostConfig: {
      ...hardening(place.nofileHard),
      Memory: memory,
      // Memory and swap together: no swap beyond the limit.
      MemorySwap: memory,
      NanoCpus: Math.round(limits.cpu_cores * 1e9),
      ShmSize: Math.min(spec.shm_mb * 2 ** 20, memory),
      Binds: [`${place.workspace}:/workspace`],
      NetworkMode: place.network,
      Dns: [...place.nameservers],
      Init: place.init,
      DeviceRequests: gpuRequests(limits.gpu_uuids),
    },
  };
}

export function gpuRequests(uuids: readonly string[]): DeviceRequest[] {
  return uuids.length === 0 ? [] : [{ Driver: '', DeviceIDs: [...uuids], Capabilities: [['gpu']] }];
}

/**
 * Stated for every instance, as images come with `NVIDIA_VISIBLE_DEVICES=all` of their own, which a host whose default
 * runtime is NVIDIA's would obey. `void`: no devices.
 */
export function gpuEnv(uuids: readonly string[]): string[] {
  if (uuids.length === 0) return ['NVIDIA_VISIBLE_DEVICES=void'];
  return [`NVIDIA_VISIBLE_DEVICES=${uuids.join(',')}`, 'NVIDIA_DRIVER_CAPABILITIES=compute,utility'];
}
