import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { proxyName } from '@muster/shared-types';
import { EchoClient, startEcho } from '@muster/testkit/frp/echo-server';
import { TunnelServerFixture } from '@muster/testkit/frp/tunnel-server';
import type { TokenOptions } from '@muster/testkit/frp/tunnel-tokens';
import { until } from '@muster/testkit/frp/until';
import { pino } from 'pino';
import { StoreApi } from '../../src/tunnel/store-api.js';
import { createTunnels, type TunnelOptions } from '../../src/tunnel/tunnels.js';
import type { TunnelMapping, TunnelServer, Tunnels } from '../../src/tunnel/types.js';

const log = pino({ level: 'silent' });
/** How long the first of all starts may take: it builds frp where there is none. */
export const BUILD_FRP_MS = 15 * 60_000;

/** A real frps with its gate, an echo server behind the tunnels, and the nodes of the test that runs. */
export class TunnelGround {
  private readonly nodes: TunnelNode[] = [];
  private nextPort: number;

  private constructor(
    readonly server: TunnelServerFixture,
    readonly echo: Awaited<ReturnType<typeof startEcho>>,
  ) {
    this.nextPort = server.firstPort;
  }

  static async start(portCount: number): Promise<TunnelGround> {
    return new TunnelGround(await TunnelServerFixture.start(portCount), await startEcho());
  }

  /** A node that is enrolled (in the gate's table with its ports), with its token in place and frpc running. */
  async join(options: { portCount?: number; nodeId?: string; token?: TokenOptions; enrolled?: boolean } = {}): Promise<TunnelNode> {
    const node = await this.create(options.portCount ?? 1, options.nodeId);
    if (options.enrolled !== false) await node.grant(node.ports);
    await node.tunnels.setServer(node.server);
    await node.tunnels.setToken(await this.server.token(node.nodeId, options.token));
    return node;
  }

  async create(portCount: number, nodeId: string = randomUUID()): Promise<TunnelNode> {
    const ports = Array.from({ length: portCount }, () => this.nextPort++);
    const node = new TunnelNode(this, nodeId, await mkdtemp(join(tmpdir(), 'muster-frpc-')), ports);
    this.nodes.push(node);
    return node;
  }

  /** A client through the public port; an early EOF or a refusal is "not yet". */
  async reach(port: number): Promise<EchoClient> {
    try {
      return await until(`port ${port} greets`, () => EchoClient.open(port), 60_000);
    } catch (error) {
      const held = await Promise.all(this.nodes.map(async (node) => ({ node: node.nodeId, connected: node.tunnels.connected(), tunnels: await node.tunnels.observe(), refused: this.refusals(node.nodeId) })));
      throw new Error(`port ${port} does not greet: ${JSON.stringify(held)}`, { cause: error });
    }
  }

  /** Reasons for which the gate refused this node, in order. */
  refusals(nodeId: string): string[] {
    return this.server.gateLog().filter((line) => line['msg'] === 'refused' && line['node_id'] === nodeId).map((line) => String(line['reason']));
  }

  /** What the gate let this node do, in order. */
  admitted(nodeId: string): string[] {
    return this.server.gateLog().filter((line) => line['msg'] === 'admitted' && line['node_id'] === nodeId).map((line) => String(line['op']));
  }

  async seeHeartbeats(count: number): Promise<void> {
    const heartbeats = (): number => this.server.frps.output.split('receive heartbeat').length;
    const before = heartbeats();
    await until(`${count} heartbeats`, () => heartbeats() >= before + count, 60_000);
  }

  /** Between two tests. */
  async endNodes(): Promise<void> {
    await Promise.all(this.nodes.splice(0).map((node) => node.end()));
  }

  async end(): Promise<void> {
    await this.server.stop();
    await this.echo.close();
  }
}

/** A node as its agent sees it, with its real frpc. */
export class TunnelNode {
  readonly rentalId = randomUUID();
  tunnels: Tunnels;

  constructor(
    private readonly ground: TunnelGround,
    readonly nodeId: string,
    readonly folder: string,
    readonly ports: readonly number[],
  ) {
    this.tunnels = this.another();
  }

  get server(): TunnelServer {
    return { addr: '127.0.0.1', port: this.ground.server.port, caPem: this.ground.server.caPem, nodeId: this.nodeId };
  }
  get port(): number {
    return this.ports[0] ?? 0;
  }

  another(over: Partial<TunnelOptions> = {}): Tunnels {
    return createTunnels({ folder: this.folder, frpcPath: this.ground.server.binaries.frpc, log, ...over });
  }

  async grant(ports: readonly number[]): Promise<void> {
    const proxies = ports.map((port) => ({ name: proxyName(port), port }));
    await this.ground.server.backend.change(this.nodeId, proxies);
  }

  mappings(ports: readonly number[] = this.ports): TunnelMapping[] {
    return ports.map((publicPort) => ({ containerPort: this.ground.echo.port, publicPort, localIp: '127.0.0.1' }));
  }

  async open(ports?: readonly number[]): Promise<void> {
    await this.tunnels.ensure(this.rentalId, this.mappings(ports));
  }

  async record(): Promise<{ pid: number; admin_port: number; admin_password: string }> {
    return JSON.parse(await readFile(join(this.folder, 'frpc.json'), 'utf8')) as { pid: number; admin_port: number; admin_password: string };
  }

  /** frpc takes over another configuration, and finds its own again when it is asked to read it the next time. */
  async reloadWith(change: (config: string) => string): Promise<void> {
    const { admin_port: port, admin_password: password } = await this.record();
    const file = join(this.folder, 'frpc.toml');
    const config = await readFile(file, 'utf8');
    await writeFile(file, change(config));
    try {
      await new StoreApi({ port, password }).reload();
    } finally {
      await writeFile(file, config);
    }
  }

  status = async (): Promise<string[]> => ((await this.tunnels.observe()) ?? []).map((tunnel) => tunnel.status);

  async end(): Promise<void> {
    await this.tunnels.stop({ kill: true });
    await this.ground.server.backend.change(this.nodeId, null);
    await rm(this.folder, { recursive: true, force: true });
  }
}

export const unreachable = (port: number): Promise<true> => until(`port ${port} is closed`, async () => !(await EchoClient.open(port)), 60_000);
