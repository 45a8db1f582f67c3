import { readFile } from 'node:fs/promises';
import { mustRun, run } from './command.js';
import { enginePaths } from './engine-paths.js';
import { firewallText, usableNameservers, type FirewallPlan } from './firewall.rules.js';
import type { EngineConfig } from './types.js';

/** Where Linux keeps resolvers: as given, then what a local stub asks upstream. */
const RESOLV_FILES = ['/etc/resolv.conf', '/run/systemd/resolve/resolv.conf', '/run/NetworkManager/no-stub-resolv.conf'];
const PUBLIC_RESOLVERS = ['1.1.1.1', '9.9.9.9'];

const readOrEmpty = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '');

export async function hostNameservers(config: EngineConfig): Promise<string[]> {
  return usableNameservers(await Promise.all(RESOLV_FILES.map(readOrEmpty)), config.fallbackNameservers ?? PUBLIC_RESOLVERS);
}

/** Directly connected IPv4 networks, without the engine's own. */
async function connectedNetworks(config: EngineConfig): Promise<string[]> {
  const { stdout } = await run('ip', ['-4', 'route', 'show', 'scope', 'link'], { path: config.path });
  const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/));
  return rows.filter((words) => words.length > 1 && !words.includes(config.bridge) && words[0] !== 'default').map((words) => words[0] ?? '');
}

/**
 * The engine's own nft table. Its owner is the only writer: `cut` lives in memory and is part of every text applied, so a
 * table that someone flushed comes back whole.
 */
export class Firewall {
  private readonly config: EngineConfig;
  private readonly table: string;
  private readonly cut = new Set<string>();
  private applied = '';
  private listed = '';
  private pending: Promise<unknown> = Promise.resolve();

  constructor(config: EngineConfig) {
    this.config = config;
    this.table = enginePaths(config).table;
  }

  /** Applies the table when it is missing, was changed by another hand, or the host's networks changed. */
  ensure(): Promise<boolean> {
    return this.exclusive(async () => {
      const text = firewallText(await this.plan());
      const listed = await this.list();
      const intact = text === this.applied && listed !== '' && listed === this.listed;
      if (!intact) await this.apply(text);
      const accepted = await this.acceptForwarding();
      return !intact || accepted;
    });
  }

  isCut(ip: string): boolean {
    return this.cut.has(ip);
  }

  cutOff(ip: string): Promise<void> {
    return this.exclusive(() => this.change(() => this.cut.add(ip)));
  }

  /** An address is about to belong to another instance. */
  restore(ip: string): Promise<void> {
    if (!this.cut.has(ip)) return Promise.resolve();
    return this.exclusive(() => this.change(() => this.cut.delete(ip)));
  }

  private async change(edit: () => unknown): Promise<void> {
    edit();
    await this.apply(firewallText(await this.plan()));
  }

  private async plan(): Promise<FirewallPlan> {
    const [nameservers, localNetworks] = await Promise.all([hostNameservers(this.config), connectedNetworks(this.config)]);
    return { table: this.table, bridge: this.config.bridge, subnet: this.config.subnet, nameservers, localNetworks, cut: [...this.cut] };
  }

  private async apply(text: string): Promise<void> {
    await mustRun('nft', ['-f', '-'], { path: this.config.path, input: text });
    this.applied = text;
    this.listed = await this.list();
  }

  private async list(): Promise<string> {
    return (await run('nft', ['list', 'table', 'inet', this.table], { path: this.config.path })).stdout;
  }

  /** Another engine or a firewall set iptables' FORWARD to DROP: two marked rules let this bridge through to our own table. */
  private async acceptForwarding(): Promise<boolean> {
    const rules = await run('iptables', ['-w', '-S', 'FORWARD'], { path: this.config.path });
    if (rules.code !== 0 || !rules.stdout.startsWith('-P FORWARD DROP')) return false;
    let added = false;
    for (const direction of ['-i', '-o']) {
      const rule = [direction, this.config.bridge, '-m', 'comment', '--comment', markOf(this.config.bridge), '-j', 'ACCEPT'];
      const present = await run('iptables', ['-w', '-C', 'FORWARD', ...rule], { path: this.config.path });
      if (present.code === 0) continue;
      await mustRun('iptables', ['-w', '-I', 'FORWARD', ...rule], { path: this.config.path });
      added = true;
    }
    return added;
  }

  private exclusive<T>(work: () => Promise<T>): Promise<T> {
    const next = this.pending.then(work, work);
    this.pending = next.catch(() => undefined);
    return next;
  }
}

const markOf = (bridge: string): string => `muster:${bridge}`;

/** Takes the table and the marked iptables rules away. Idempotent. */
export async function removeFirewall(config: EngineConfig): Promise<void> {
  const { path } = config;
  await run('nft', ['delete', 'table', 'inet', enginePaths(config).table], { path });
  const rules = await run('iptables', ['-w', '-S', 'FORWARD'], { path });
  for (const line of rules.stdout.split('\n')) {
    const words = line.replaceAll('"', '').split(' ');
    if (words[0] === '-A' && words.includes(markOf(config.bridge))) await run('iptables', ['-w', '-D', ...words.slice(1)], { path });
  }
}
