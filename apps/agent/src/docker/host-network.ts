import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { mustRun, run } from './command.js';
import { enginePaths } from './engine-paths.js';
import { cidrsOverlap, gatewayOf, parseCidr } from './ipv4.rules.js';
import type { EngineConfig } from './types.js';

const readOrNull = (file: string): Promise<string | null> => readFile(file, 'utf8').then((text) => text.trim(), () => null);

/** Sets a sysctl; its old value is noted once, so that `uninstall` can put it back. */
async function setSysctl(config: EngineConfig, key: string, value: string): Promise<void> {
  const file = join('/proc/sys', key.replaceAll('.', '/'));
  const old = await readOrNull(file);
  if (old === null || old === value) return;
  const undo = enginePaths(config).sysctlUndo;
  const noted = (await readOrNull(undo)) ?? '';
  if (!noted.split('\n').some((line) => line.startsWith(`${key}=`))) {
    await mkdir(dirname(undo), { recursive: true });
    await appendFile(undo, `${key}=${old}\n`);
  }
  await writeFile(file, value);
}

/** Writes a knob of our own bridge where this kernel has it. */
async function setKnob(file: string, value: string): Promise<void> {
  if ((await readOrNull(file)) !== null) await writeFile(file, value);
}

/** A fixed address: a bridge without one takes that of a port and changes it, under live sessions, when the port goes. */
function bridgeMac(gateway: string): string {
  return ['02', '4d', ...gateway.split('.').map((part) => Number(part).toString(16).padStart(2, '0'))].join(':');
}

async function refuseOverlap(config: EngineConfig): Promise<void> {
  const own = parseCidr(config.subnet);
  const routes = await mustRun('ip', ['-4', 'route', 'show'], { path: config.path });
  for (const line of routes.split('\n')) {
    const words = line.split(/\s+/);
    const other = parseCidr(words[0] ?? '');
    if (!own || !other || words.includes(config.bridge) || !cidrsOverlap(own, other)) continue;
    throw new Error(`the subnet ${config.subnet} for instances is in use on this machine (${line.trim()}); choose another`);
  }
}

/**
 * The bridge all instances share, with forwarding on. Bridged frames pass the firewall through the bridge's own
 * `nf_call_iptables`, so the global setting, which would change the owner's bridges too, stays as it is.
 */
export async function ensureBridge(config: EngineConfig): Promise<boolean> {
  const { bridge, path } = config;
  const gateway = gatewayOf(config.subnet);
  const made = (await run('ip', ['link', 'show', 'dev', bridge], { path })).code !== 0;
  if (made) {
    await refuseOverlap(config);
    const address = ['address', bridgeMac(gateway.address)];
    await mustRun('ip', ['link', 'add', 'name', bridge, ...address, 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0'], { path });
  }
  await setKnob(`/proc/sys/net/ipv6/conf/${bridge}/disable_ipv6`, '1');
  await setKnob(`/sys/class/net/${bridge}/bridge/nf_call_iptables`, '1');
  await mustRun('ip', ['addr', 'replace', `${gateway.address}/${gateway.prefix}`, 'dev', bridge], { path });
  await mustRun('ip', ['link', 'set', 'dev', bridge, 'up'], { path });
  await setSysctl(config, 'net.ipv4.ip_forward', '1');
  await isolatePorts(bridge);
  return made;
}

/**
 * Isolated bridge ports reach the bridge and never each other, at the Ethernet level: neighbours stay apart whatever
 * protocol they speak and whatever the kernel's bridge filter does.
 */
export async function isolatePorts(bridge: string): Promise<void> {
  const ports = await readdir(`/sys/class/net/${bridge}/brif`).catch(() => []);
  // A port may vanish between listing and writing: its container has ended.
  await Promise.allSettled(ports.map((port) => writeFile(`/sys/class/net/${bridge}/brif/${port}/isolated`, '1')));
}

/** MTU of the way out, so that instances never send what this host cannot pass on. */
export async function uplinkMtu(config: EngineConfig): Promise<number> {
  const { stdout } = await run('ip', ['-4', 'route', 'show', 'default'], { path: config.path });
  const device = /\bdev (\S+)/.exec(stdout)?.[1];
  const mtu = device === undefined ? null : await readOrNull(`/sys/class/net/${device}/mtu`);
  return Math.min(Number(mtu ?? 1500) || 1500, 1500);
}

export async function removeBridge(config: EngineConfig): Promise<void> {
  await run('ip', ['link', 'del', 'dev', config.bridge], { path: config.path });
}
