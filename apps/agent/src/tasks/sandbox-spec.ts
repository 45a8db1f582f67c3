import type { ExecutionSpec } from '@muster/shared-types';
import type { ContainerCreateOptions, HostConfig } from 'dockerode';
import { gpuEnv, gpuRequests } from '../docker/container-spec.js';
import { sanitiseEnv } from '../docker/hardening.js';
import { JOB_RUNTIMES } from '../docker/job-runtime.js';
import { ATTEMPT_LABEL, BOOT_LABEL, EXECUTION_LABEL, NODE_LABEL } from '../docker/labels.js';
import { SECCOMP_PROFILE } from '../docker/seccomp.js';

/** Nobody: outside, the highest uid of the user namespace's range. */
export const NOBODY = 65_534;
const PIDS_LIMIT = 512;
const WANTED_NOFILE = 65_536;
const SHM_BYTES = 64 * 2 ** 20;

/** What the host adds to an execution. */
export interface SandboxPlace {
  nodeId: string;
  bootId: string;
  /** The image as this engine knows it. */
  image: string;
  /** It came as an archive for rentals, whose own entry point serves those. */
  isRentalImage: boolean;
  /** Folders on the host; null where there is none. */
  input: string | null;
  output: string | null;
  network: string;
  nameservers: readonly string[];
  nofileHard: number;
}

export const keyOf = ({ execution_id, attempt }: { execution_id: string; attempt: number }): string => `${execution_id}.${attempt}`;
export const sandboxName = (key: string): string => `muster-job-${key}`;

/** Docker's options for one execution: nothing in it outlives it, nothing of the host is in reach, everything has a limit. */
export function sandboxOptions(spec: ExecutionSpec, place: SandboxPlace): ContainerCreateOptions {
  return {
    name: sandboxName(keyOf(spec)),
    Image: place.image,
    Hostname: 'muster-job',
    User: `${NOBODY}:${NOBODY}`,
    ...commandOf(spec, place),
    Env: ['HOME=/tmp', ...sanitiseEnv(spec.environment), ...gpuEnv(spec.gpu_uuids)],
    Labels: {
      [EXECUTION_LABEL]: spec.execution_id,
      [ATTEMPT_LABEL]: String(spec.attempt),
      [NODE_LABEL]: place.nodeId,
      [BOOT_LABEL]: place.bootId,
    },
    AttachStdout: false,
    AttachStderr: false,
    OpenStdin: false,
    Tty: false,
    HostConfig: { ...confinement(spec, place), DeviceRequests: gpuRequests(spec.gpu_uuids) },
  };
}

/** `command` takes the place of the image's own. An image for rentals has an entry point that would not give way to it. */
function commandOf({ command }: ExecutionSpec, { isRentalImage }: SandboxPlace): Pick<ContainerCreateOptions, 'Cmd' | 'Entrypoint'> {
  if (command.length === 0) return {};
  return isRentalImage ? { Entrypoint: [...command], Cmd: [] } : { Cmd: [...command] };
}

function confinement(spec: ExecutionSpec, place: SandboxPlace): HostConfig {
  const memory = spec.memory_mb * 2 ** 20;
  const nofile = Math.min(WANTED_NOFILE, place.nofileHard);
  return {
    Runtime: JOB_RUNTIMES[spec.runtime],
    ReadonlyRootfs: true,
    CapDrop: ['ALL'],
    SecurityOpt: ['no-new-privileges', `seccomp=${JSON.stringify(SECCOMP_PROFILE)}`],
    Privileged: false,
    PublishAllPorts: false,
    IpcMode: 'private',
    Memory: memory,
    // Memory and swap together: no swap beyond the limit. What lies in /tmp counts as well.
    MemorySwap: memory,
    NanoCpus: spec.cpu_cores * 1e9,
    PidsLimit: PIDS_LIMIT,
    Ulimits: [
      { Name: 'nofile', Soft: nofile, Hard: nofile },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
    ShmSize: Math.min(SHM_BYTES, memory),
    Tmpfs: { '/tmp': `rw,nosuid,nodev,exec,mode=1777,size=${Math.floor(memory / 2)}` },
    Binds: [...(place.input === null ? [] : [`${place.input}:/input:ro`]), ...(place.output === null ? [] : [`${place.output}:/output:rw`])],
    ...(spec.network === 'egress' ? { NetworkMode: place.network, Dns: [...place.nameservers] } : { NetworkMode: 'none' }),
    RestartPolicy: { Name: 'no' },
    // Output goes past the engine: see `jobRuntimeScript`.
    LogConfig: { Type: 'none', Config: {} },
  };
}
