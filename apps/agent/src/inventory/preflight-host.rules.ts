import type { PreflightRecord } from '@muster/shared-types';
import { isAtLeast } from './isolation.rules.js';
import { offeredCpuCores, offeredRamMb } from './offer-share.rules.js';
import { grade, passOr, record } from './preflight-record.rules.js';
import type { PreflightFacts } from './preflight-facts.js';

const KERNEL_WANTED = '5.10';
const KERNEL_NEEDED = '4.18';
const MIN_RAM_MB = 1024;
/** Each SSH session is two sockets here and two in the tunnel. */
const NOFILE_WANTED = 16_384;
const NOFILE_NEEDED = 1024;
/** Fixes sessions of a replaced client that are never closed. */
const FRPC_NEEDED = '0.70.1';
const CLOCK_TOLERANCE_S = 30;
/** Certificates of the market are from after this, so an earlier clock refuses them all. 2026-01-01T00:00:00Z. */
const CLOCK_FLOOR_MS = 1_767_225_600_000;
const ARCHES = ['x86_64', 'aarch64'];

/** Checks of the machine below the engine. */
export function hostChecks(facts: PreflightFacts): PreflightRecord[] {
  return [...kernelChecks(facts), ...sizeChecks(facts), clockCheck(facts), firewallCheck(facts), frpcCheck(facts)];
}

function kernelChecks({ machine }: PreflightFacts): PreflightRecord[] {
  const { kernel, arch, cgroup_version, cgroup_missing, user_namespaces, seccomp } = machine;
  const cgroup =
    cgroup_version === null ? 'none' : `v${cgroup_version}${cgroup_missing.length > 0 ? ` without ${cgroup_missing.join(', ')}` : ''}`;
  const kernelStatus = passOr(isAtLeast(kernel, KERNEL_WANTED), isAtLeast(kernel, KERNEL_NEEDED) ? 'warn' : 'fail');
  return [
    record({
      id: 'kernel',
      title: 'Linux kernel',
      actual: kernel,
      required: KERNEL_WANTED,
      operator: 'gte',
      status: kernelStatus,
      remediation: `Upgrade the kernel to ${KERNEL_WANTED} or newer; below ${KERNEL_NEEDED} instances cannot be contained.`,
    }),
    record({
      id: 'arch',
      title: 'Processor architecture',
      actual: arch,
      required: ARCHES.join(', '),
      operator: 'in',
      status: passOr(ARCHES.includes(arch), 'fail'),
      remediation: 'Muster runs on 64-bit x86 and 64-bit Arm machines only.',
    }),
    record({
      id: 'cgroup',
      title: 'Control groups',
      actual: cgroup,
      required: 'cpu, cpuset, memory, pids',
      operator: 'is',
      status: passOr(cgroup_version !== null && cgroup_missing.length === 0, 'fail'),
      remediation:
        'Boot a kernel with the cgroup controllers cpu, cpuset, memory and pids (and devices and freezer on cgroup v1): without them the limits of an instance do not hold.',
    }),
    record({
      id: 'user_namespaces',
      title: 'User namespaces',
      actual: user_namespaces ? 'on' : 'off',
      required: 'on',
      operator: 'is',
      status: passOr(user_namespaces, 'fail'),
      remediation: 'Set the sysctl user.max_user_namespaces to 65536: root inside an instance must not be root on this machine.',
    }),
    record({
      id: 'seccomp',
      title: 'System call filter',
      actual: seccomp ? 'on' : 'off',
      required: 'on',
      operator: 'is',
      status: passOr(seccomp, 'fail'),
      remediation: 'Boot a kernel with CONFIG_SECCOMP_FILTER.',
    }),
  ];
}

function sizeChecks({ machine }: PreflightFacts): PreflightRecord[] {
  const cores = offeredCpuCores(machine.cpus, machine.cpu_quota);
  const ram = offeredRamMb(machine.ram_mb);
  return [
    record({
      id: 'cpu',
      title: 'CPUs offered',
      actual: String(cores),
      required: '1',
      operator: 'gte',
      unit: 'vCPU',
      status: grade(cores, 1, 1),
      remediation: 'Give this machine at least one CPU.',
    }),
    record({
      id: 'ram',
      title: 'Memory offered',
      actual: String(ram),
      required: String(MIN_RAM_MB),
      operator: 'gte',
      unit: 'MiB',
      status: grade(ram, MIN_RAM_MB, MIN_RAM_MB),
      remediation: `Of ${machine.ram_mb} MiB the host keeps its share; at least ${MIN_RAM_MB} MiB must be left to offer.`,
    }),
    record({
      id: 'nofile',
      title: 'Open files allowed',
      actual: String(machine.nofile),
      required: String(NOFILE_WANTED),
      operator: 'gte',
      unit: 'files',
      status: grade(machine.nofile, NOFILE_WANTED, NOFILE_NEEDED),
      remediation: `Raise the hard limit of open files for the agent (LimitNOFILE=${NOFILE_WANTED} in its unit, or /etc/security/limits.conf).`,
    }),
  ];
}

function clockCheck({ now_ms, clock_offset_s }: PreflightFacts): PreflightRecord {
  const base = { id: 'clock', title: 'Clock', operator: 'lte', unit: 's', required: String(CLOCK_TOLERANCE_S) } as const;
  const remediation =
    'Turn on time synchronisation (systemd-timesyncd, chrony): leases do not depend on this clock, certificates and logs do.';
  if (now_ms < CLOCK_FLOOR_MS) return record({ ...base, actual: new Date(now_ms).toISOString(), status: 'fail', remediation });
  if (clock_offset_s === null)
    return record({
      ...base,
      actual: 'not compared yet',
      status: 'skipped',
      remediation: 'It is compared when the agent has spoken to the market.',
    });
  return record({
    ...base,
    actual: Math.abs(clock_offset_s).toFixed(1),
    status: passOr(Math.abs(clock_offset_s) <= CLOCK_TOLERANCE_S, 'warn'),
    remediation,
  });
}

/** With an engine of the owner's own we filter all the same: the table is ours either way. */
function firewallCheck({ machine }: PreflightFacts): PreflightRecord {
  return record({
    id: 'firewall',
    title: 'Firewall',
    actual: machine.nft === null ? 'no nft' : `nft ${machine.nft}`,
    required: 'nft',
    operator: 'is',
    status: passOr(machine.nft !== null, 'fail'),
    remediation:
      'Install nftables (Debian: apt-get install nftables): it keeps instances away from this machine, its network and each other.',
  });
}

function frpcCheck({ frpc }: PreflightFacts): PreflightRecord {
  return record({
    id: 'frpc',
    title: 'Tunnel client',
    actual: frpc ?? 'none',
    required: FRPC_NEEDED,
    operator: 'gte',
    status: passOr(isAtLeast(frpc, FRPC_NEEDED), 'fail'),
    remediation: `Install frpc ${FRPC_NEEDED} or set FRPC_PATH to one: without it nobody reaches an instance.`,
  });
}
