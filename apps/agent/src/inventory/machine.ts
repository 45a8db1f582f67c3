import { readFile, stat } from 'node:fs/promises';
import { availableParallelism, hostname, release } from 'node:os';
import { join } from 'node:path';
import { bootId } from '../boot-clock.js';
import type { MachineFacts } from './machine-facts.js';
import { runTool } from './run-tool.js';

export interface MachinePaths {
  proc?: string;
  sys?: string;
  osRelease?: string;
}

/** Reads the machine. Never waits longer than 5 s for a tool; what cannot be read is null, zero or `unknown`. */
export async function readMachine({
  proc = '/proc',
  sys = '/sys',
  osRelease = '/etc/os-release',
}: MachinePaths = {}): Promise<MachineFacts> {
  const [cpuinfo, meminfo, os, limits, cgroup, userNamespaces, seccomp, nft, toolkit] = await Promise.all([
    readText(join(proc, 'cpuinfo')),
    readText(join(proc, 'meminfo')),
    readText(osRelease),
    readText(join(proc, 'self/limits')),
    readCgroup(sys, proc),
    hasUserNamespaces(proc),
    exists(join(proc, 'sys/kernel/seccomp/actions_avail')),
    toolVersion('nft', '--version'),
    toolkitVersion(),
  ]);
  const ram = Math.floor(Number(/^MemTotal:\s+(\d+) kB/m.exec(meminfo)?.[1] ?? 0) / 1024);
  return {
    hostname: hostname().slice(0, 255),
    os: (/^PRETTY_NAME="?([^"\n]*)/m.exec(os)?.[1] ?? 'Linux').slice(0, 200),
    kernel: release().slice(0, 200),
    arch: archName(process.arch),
    boot_id: bootId(join(proc, 'sys/kernel/random/boot_id')),
    cpu_name: cpuName(cpuinfo),
    cpus: availableParallelism(),
    cpu_quota: cgroup.cpu_quota,
    ram_mb: Math.min(ram, cgroup.ram_mb ?? ram),
    cgroup_version: cgroup.version,
    cgroup_missing: cgroup.missing,
    user_namespaces: userNamespaces,
    seccomp,
    nofile: nofileLimit(limits),
    nft,
    toolkit,
  };
}

/** x86 says `model name`, arm64 only a part number: then the family is all there is. */
function cpuName(cpuinfo: string): string {
  const name = /^model name\s*:\s*(.+)$/m.exec(cpuinfo)?.[1] ?? /^Model\s*:\s*(.+)$/m.exec(cpuinfo)?.[1];
  return (name ?? `${archName(process.arch)} processor`)
    .replace(/\((R|TM)\)/g, '')
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 200);
}

/** As `uname -m` and image platforms say it. */
const archName = (arch: string): string => ({ x64: 'x86_64', arm64: 'aarch64' })[arch] ?? arch;

function nofileLimit(limits: string): number {
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1];
  return hard === 'unlimited' ? 1_048_576 : Number(hard ?? 0);
}

async function hasUserNamespaces(proc: string): Promise<boolean> {
  const allowed = await readText(join(proc, 'sys/user/max_user_namespaces'));
  return Number(allowed) > 0 && (await exists(join(proc, 'self/ns/user')));
}

interface CgroupFacts {
  version: 1 | 2 | null;
  missing: string[];
  cpu_quota: number | null;
  ram_mb: number | null;
}

const V1_CONTROLLERS = ['cpu', 'cpuset', 'memory', 'devices', 'freezer', 'pids'];
/** In v2 devices are a BPF program and freezing is part of the core. */
const V2_CONTROLLERS = ['cpu', 'cpuset', 'memory', 'pids'];

async function readCgroup(sys: string, proc: string): Promise<CgroupFacts> {
  const root = join(sys, 'fs/cgroup');
  const v2 = await readText(join(root, 'cgroup.controllers'));
  if (v2 !== '') return readCgroupV2(root, v2);
  const v1 = await readText(join(proc, 'cgroups'));
  const enabled = new Set([...v1.matchAll(/^(\w+)\s+\d+\s+\d+\s+1$/gm)].map((match) => match[1]));
  if (enabled.size === 0) return { version: null, missing: [], cpu_quota: null, ram_mb: null };
  const [quota, period, memory] = await Promise.all(
    ['cpu/cpu.cfs_quota_us', 'cpu/cpu.cfs_period_us', 'memory/memory.limit_in_bytes'].map((file) => readText(join(root, file))),
  );
  return {
    version: 1,
    missing: V1_CONTROLLERS.filter((name) => !enabled.has(name)),
    cpu_quota: quotaOf(quota, period),
    ram_mb: mbOf(memory),
  };
}

async function readCgroupV2(root: string, controllers: string): Promise<CgroupFacts> {
  const [cpu = '', memory] = await Promise.all(['cpu.max', 'memory.max'].map((file) => readText(join(root, file))));
  const [quota, period] = cpu.trim().split(' ');
  const have = new Set(controllers.trim().split(/\s+/));
  return { version: 2, missing: V2_CONTROLLERS.filter((name) => !have.has(name)), cpu_quota: quotaOf(quota, period), ram_mb: mbOf(memory) };
}

/** `-1` and `max` are no limit. */
function quotaOf(quota: string | undefined, period: string | undefined): number | null {
  const [used, of] = [Number(quota), Number(period)];
  return quota !== '' && used > 0 && of > 0 ? used / of : null;
}

/** The kernel writes "no limit" in v1 as a number near 2^63. */
function mbOf(bytes: string | undefined): number | null {
  const value = Number(bytes);
  return bytes !== undefined && bytes !== '' && value > 0 && value < 2 ** 60 ? Math.floor(value / 2 ** 20) : null;
}

async function toolkitVersion(): Promise<string | null> {
  return (await toolVersion('nvidia-ctk', '--version')) ?? toolVersion('nvidia-container-cli', '--version');
}

/** The first version number that a tool prints about itself; null when it cannot be run or prints none. */
export async function toolVersion(command: string, ...args: string[]): Promise<string | null> {
  const run = await runTool(command, args);
  if (run.kind !== 'done' || run.exitCode !== 0) return null;
  return /\d{1,6}(?:\.\d{1,6})+[\w.+-]*/.exec(run.stdout)?.[0] ?? null;
}

/** The text of a file; empty when the kernel has none or does not show it to us. */
const readText = (path: string): Promise<string> => readFile(path, 'utf8').catch(orWhenRefused(''));

const exists = (path: string): Promise<boolean> => stat(path).then(() => true, orWhenRefused(false));

const orWhenRefused =
  <T>(instead: T) =>
  (error: unknown): T => {
    if (error instanceof Error && 'errno' in error) return instead;
    throw error;
  };
