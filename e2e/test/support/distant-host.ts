import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';
import { CLI } from './caches.js';
import { agentEnv, FOLDER, nameOf, removeHost } from './distant-host-remains.js';
import type { Market } from './market.js';
import { must } from './run.js';
import { until } from './until.js';

const exec = promisify(execFile);
const JOIN_MS = 120_000;
const LEAVE_MS = 90_000;

/**
 * A host that is not the market's machine: an agent in a network namespace of its own, joined through the command line.
 * One virtual cable leads from there to the market, whose API and frps it finds at the addresses it was told; `cut` lets
 * every packet on that cable vanish in both directions, as nothing but a network can.
 */
export class DistantHost {
  nodeId = '';
  private agent: ChildProcess | undefined;
  private readonly relays: Relay[] = [];
  /** Addresses of the two ends, of a block that is kept for documentation. */
  private readonly near: string;
  private readonly far: string;

  private constructor(
    private readonly market: Market,
    /** Of the namespace, of the link's near end (15 characters at most) and of the firewall table. */
    readonly name: string,
  ) {
    const block = 4 * (process.pid % 64);
    this.near = `203.0.113.${block + 1}`;
    this.far = `203.0.113.${block + 2}`;
  }

  /** Joined and on the market. */
  static async open(market: Market): Promise<DistantHost> {
    const host = new DistantHost(market, nameOf(process.pid));
    try {
      await host.layCable();
      await host.join();
    } catch (error) {
      await host.close().catch((other: unknown) => console.error(other));
      throw error;
    }
    return host;
  }

  get home(): string {
    return join(this.market.home, FOLDER);
  }

  /** From now on no packet passes, in no direction; nobody is told. */
  async cut(): Promise<void> {
    await this.nft(`add table inet ${this.name}_cut\nadd chain inet ${this.name}_cut gone { type filter hook prerouting priority -350; }\nadd rule inet ${this.name}_cut gone iifname "eth0" drop`, { inside: true });
    await this.nft(`add table inet ${this.name}_cut\nadd chain inet ${this.name}_cut gone { type filter hook prerouting priority -350; }\nadd rule inet ${this.name}_cut gone iifname "${this.name}" drop`);
  }

  async mend(): Promise<void> {
    await this.nft(`delete table inet ${this.name}_cut`);
    await this.nft(`delete table inet ${this.name}_cut`, { inside: true });
  }

  /** Ends the agent with everything it runs, then namespace, link and rules. */
  async close(): Promise<void> {
    const { agent } = this;
    if (agent && agent.exitCode === null && agent.signalCode === null) {
      const gone = new Promise((resolve) => agent.once('exit', resolve));
      agent.kill('SIGTERM');
      await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, LEAVE_MS).unref())]);
    }
    await removeHost(this.name, this.home, this.market.env);
    await Promise.all(this.relays.map((relay) => relay.close()));
  }

  log(): Promise<string> {
    return readFile(join(this.home, 'agent.log'), 'utf8');
  }

  private async layCable(): Promise<void> {
    const { name } = this;
    await exec('ip', ['netns', 'add', name]);
    await exec('ip', ['link', 'add', name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name]);
    await exec('ip', ['addr', 'add', `${this.near}/30`, 'dev', name]);
    await exec('ip', ['link', 'set', name, 'up']);
    const inside = (...args: string[]): Promise<unknown> => exec('ip', ['-n', name, ...args]);
    await inside('addr', 'add', `${this.far}/30`, 'dev', 'eth0');
    for (const link of ['lo', 'eth0']) await inside('link', 'set', link, 'up');
    await inside('route', 'add', 'default', 'via', this.near);
    await exec('nsenter', [`--net=/run/netns/${name}`, 'sysctl', '-q', '-w', 'net.ipv4.conf.all.route_localnet=1']);
    const { ports } = this.market.settings();
    const rules = await Promise.all([ports['api'] ?? 0, ports['frps'] ?? 0].map(async (port) => {
      const relay = await Relay.start(this.near, port);
      this.relays.push(relay);
      return `add rule ip market out ip daddr 127.0.0.1 tcp dport ${port} dnat to ${this.near}:${relay.port}`;
    }));
    await this.nft([
      'add table ip market',
      'add chain ip market out { type nat hook output priority -100; }',
      'add chain ip market back { type nat hook postrouting priority 100; }',
      ...rules,
      `add rule ip market back oifname "eth0" snat to ${this.far}`,
    ].join('\n'), { inside: true });
  }

  private async join(): Promise<void> {
    const { key } = z.object({ key: z.string() }).parse(JSON.parse((await this.market.must(['keys', 'create', '--host', '--name', 'distant', '--json'])).stdout));
    await mkdir(this.home, { mode: 0o755 });
    const env = { ...agentEnv(this.market.env, this.home), MUSTER_URL: this.market.url, MUSTER_HOST_API_KEY: key };
    this.agent = spawn('nsenter', [`--net=/run/netns/${this.name}`, process.execPath, CLI, 'node', 'join', '--name', 'distant'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(this.home, 'agent.log'), { flags: 'a' });
    this.agent.stdout?.pipe(log, { end: false });
    this.agent.stderr?.pipe(log, { end: false });
    this.nodeId = await until('the distant host to be listed', async () => {
      const nodes = await this.market.operator.call('listNodes', { query: {} });
      return nodes.items.find((node) => node.name === 'distant' && node.status === 'online' && node.listing === 'listed')?.id;
    }, JOIN_MS).catch(async (error: unknown) => {
      throw new Error(`the distant host did not join:\n${(await this.log()).slice(-4000)}`, { cause: error });
    });
  }

  private async nft(text: string, { inside = false } = {}): Promise<void> {
    await must('sh', ['-c', `printf '%s\\n' "$1" | ${inside ? `nsenter --net=/run/netns/${this.name} ` : ''}nft -f -`, 'nft', text]);
  }
}

/** The market's end of the cable: what comes in goes to one port of loopback. */
class Relay {
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async start(address: string, to: number): Promise<Relay> {
    const server = createServer();
    const relay = new Relay(server);
    server.on('connection', (from) => relay.join(from, connect(to, '127.0.0.1')));
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, address, resolve));
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private join(...pair: [Socket, Socket]): void {
    const end = (): void => pair.forEach((socket) => socket.destroy());
    for (const [index, socket] of pair.entries()) {
      this.sockets.add(socket);
      socket.on('error', end).on('close', () => (this.sockets.delete(socket), end())).pipe(pair[1 - index]!);
    }
  }
}
