import type { HostConfig } from 'dockerode';
import { SECCOMP_PROFILE } from './seccomp.js';

/**
 * What a root inside needs for apt, chown, sshd and its own services; every other capability is gone, also from setuid
 * programs. They count only inside the instance's user namespace.
 */
export const KEPT_CAPABILITIES = [
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'NET_BIND_SERVICE',
  'SETGID',
  'SETUID',
  'SYS_CHROOT',
] as const;

export const PIDS_LIMIT = 4096;
const WANTED_NOFILE = 1_048_576;

/** The part of a container's settings that no rental can change. `nofileHard`: this host's own hard limit. */
export function hardening(nofileHard: number): HostConfig {
  const nofile = Math.min(WANTED_NOFILE, nofileHard);
  return {
    CapDrop: ['ALL'],
    CapAdd: [...KEPT_CAPABILITIES],
    SecurityOpt: ['no-new-privileges', `seccomp=${JSON.stringify(SECCOMP_PROFILE)}`],
    Privileged: false,
    PublishAllPorts: false,
    IpcMode: 'private',
    PidsLimit: PIDS_LIMIT,
    Ulimits: [
      { Name: 'nofile', Soft: nofile, Hard: nofile },
      { Name: 'core', Soft: 0, Hard: 0 },
    ],
    RestartPolicy: { Name: 'no' },
    // Output never reaches dockerd's disk: see `InstanceLogs`.
    LogConfig: { Type: 'none', Config: {} },
  };
}

const FORBIDDEN_PREFIXES = ['NVIDIA_', 'LD_', 'DOCKER_', '_LIBCONTAINER_', '_CONTAINERS_'];
const FORBIDDEN_NAMES = new Set(['GLIBC_TUNABLES', 'GCONV_PATH', 'NLSPATH', 'LOCPATH', 'NOTIFY_SOCKET', 'LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES']);
const MAX_VALUE_BYTES = 65_536;

/**
 * A tenant's variables less those that steer what runs around the instance: GPU hooks run on the host with the
 * container's variables (`NVIDIA_*` chooses devices, `LD_*` chose their libraries in CVE-2025-23266), and runc has its own.
 */
export function sanitiseEnv(env: Readonly<Record<string, string>>): string[] {
  return Object.entries(env)
    .filter(([name, value]) => isOwnName(name) && !value.includes('\0') && Buffer.byteLength(value) <= MAX_VALUE_BYTES)
    .map(([name, value]) => `${name}=${value}`);
}

function isOwnName(name: string): boolean {
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return false;
  const upper = name.toUpperCase();
  return !FORBIDDEN_NAMES.has(upper) && !FORBIDDEN_PREFIXES.some((prefix) => upper.startsWith(prefix));
}
