import { randomUUID } from 'node:crypto';
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { proxyName } from '@muster/shared-types';
import { EchoClient, startEcho } from '@muster/testkit/frp/echo-server';
import { TunnelTokens, type TokenOptions } from '@muster/testkit/frp/tunnel-tokens';
import { TunnelServerFixture } from '@muster/testkit/frp/tunnel-server';
import { until } from '@muster/testkit/frp/until';
import { StoreApi } from './store-api.js';
import { createTunnels, type TunnelOptions } from './tunnels.js';
import { TunnelError, type TunnelMapping, type TunnelServer, type Tunnels } from './types.js';

const log = pino({ level: 'silent' });
const BUILD_FRP_MS = 15 * 60_000;
const TEST_MS = 120_000;

let server: TunnelServerFixture;
let echo: Awaited<ReturnType<typeof startEcho>>;
let nextPort = 0;
const nodes: TestNode[] = [];

beforeAll(async () => {
  server = await TunnelServerFixture.start(40);
  echo = await startEcho();
  nextPort = server.firstPort;
}, BUILD_FRP_MS);

afterEach(async () => {
  await Promise.all(nodes.splice(0).map((node) => node.end()));
});

afterAll(async () => {
  await server?.stop();
  await echo?.close();
});

/** A node as its agent sees it, with its real frpc. */
class TestNode {
  readonly rentalId = randomUUID();
  readonly ports: number[];
  tunnels: Tunnels;

  private constructor(
    readonly nodeId: string,
    readonly folder: string,
    portCount: number,
  ) {
    this.ports = Array.from({ length: portCount }, () => nextPort++);
    this.tunnels = this.another();
  }

  /** Enrolled (in the gate's table with its ports), token in place, frpc running. */
  static async join(options: { portCount?: number; nodeId?: string; token?: TokenOptions; enrolled?: boolean } = {}): Promise<TestNode> {
    const node = await TestNode.create(options.portCount ?? 1, options.nodeId);
    if (options.enrolled !== false) await node.grant(node.ports);
    await node.tunnels.setServer(node.server);
    await node.tunnels.setToken(await server.token(node.nodeId, options.token));
    return node;
  }

  static async create(portCount: number, nodeId: string = randomUUID()): Promise<TestNode> {
    const node = new TestNode(nodeId, await mkdtemp(join(tmpdir(), 'muster-frpc-')), portCount);
    nodes.push(node);
    return node;
  }

  get server(): TunnelServer {
    return { addr: '127.0.0.1', port: server.port, caPem: server.caPem, nodeId: this.nodeId };
  }
  get port(): number {
    return this.ports[0] ?? 0;
  }

  another(over: Partial<TunnelOptions> = {}): Tunnels {
    return createTunnels({ folder: this.folder, frpcPath: server.binaries.frpc, log, ...over });
  }

  async grant(ports: readonly number[]): Promise<void> {
    const proxies = ports.map((port) => ({ name: proxyName(port), port }));
    await server.backend.change(this.nodeId, proxies);
  }

  mappings(ports: readonly number[] = this.ports): TunnelMapping[] {
    return ports.map((publicPort) => ({ containerPort: echo.port, publicPort, localIp: '127.0.0.1' }));
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
    await server.backend.change(this.nodeId, null);
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** A client through the public port; an early EOF or a refusal is "not yet". */
async function reach(port: number): Promise<EchoClient> {
  try {
    return await until(`port ${port} greets`, () => EchoClient.open(port), 60_000);
  } catch (error) {
    const held = await Promise.all(nodes.map(async (node) => ({ node: node.nodeId, connected: node.tunnels.connected(), tunnels: await node.tunnels.observe(), refused: refusals(node.nodeId) })));
    throw new Error(`port ${port} does not greet: ${JSON.stringify(held)}`, { cause: error });
  }
}
const unreachable = (port: number): Promise<true> => until(`port ${port} is closed`, async () => !(await EchoClient.open(port)), 60_000);
const refusals = (nodeId: string): string[] =>
  server.gateLog().filter((line) => line['msg'] === 'refused' && line['node_id'] === nodeId).map((line) => String(line['reason']));
const admitted = (nodeId: string): string[] =>
  server.gateLog().filter((line) => line['msg'] === 'admitted' && line['node_id'] === nodeId).map((line) => String(line['op']));
const heartbeats = (): number => server.frps.output.split('receive heartbeat').length;
const seeHeartbeats = async (count: number): Promise<void> => {
  const before = heartbeats();
  await until(`${count} heartbeats`, () => heartbeats() >= before + count, 60_000);
};

describe('a node with its tunnels', { timeout: TEST_MS }, () => {
  it('serves a port, says so, and lets it go again without cutting who is on it', async () => {
    const node = await TestNode.join();
    await until('the idle node is connected', () => node.tunnels.connected());
    expect(await node.tunnels.observe()).toEqual([]);

    await node.open();
    const client = await reach(node.port);
    expect(await client.echoes('to and fro')).toBe(true);
    expect(await node.tunnels.observe()).toEqual([
      { rentalId: node.rentalId, containerPort: echo.port, publicPort: node.port, localIp: '127.0.0.1', status: 'running' },
    ]);
    expect(node.tunnels.connected()).toBe(true);

    await node.tunnels.remove(node.rentalId);
    await unreachable(node.port);
    expect(await node.tunnels.observe()).toEqual([]);
    expect(await client.echoes('still here')).toBe(true);
    client.close();
  });

  it('changes only the named proxies', async () => {
    const node = await TestNode.join({ portCount: 6 });
    const [first = 0, ...others] = node.ports;
    const other = randomUUID();
    await node.open([first]);
    const client = await reach(first);
    for (let round = 0; round < 10; round += 1) {
      await node.tunnels.ensure(other, node.mappings(others));
      await node.tunnels.ensure(other, node.mappings(others.slice(0, 2)));
      await node.tunnels.remove(other);
    }
    expect(await client.echoes('untouched')).toBe(true);
    expect((await node.tunnels.observe())?.map((tunnel) => tunnel.publicPort)).toEqual([first]);
    client.close();
  });

  it('follows a container to its new address', async () => {
    const node = await TestNode.join();
    const moved = await startEcho('moved\n');
    await node.open();
    (await reach(node.port)).close();
    await node.tunnels.ensure(node.rentalId, [{ containerPort: moved.port, publicPort: node.port, localIp: '127.0.0.1' }]);
    const client = await until('the new container answers', async () => {
      const opened = await EchoClient.open(node.port);
      return opened?.received.startsWith('moved') ? opened : (opened?.close(), undefined);
    });
    client.close();
    await moved.close();
  });

  it('logs in with a token of a key that came after frps had started', async () => {
    const { table } = server.backend;
    const rotated = await TunnelTokens.create('second');
    await server.backend.push({ ...table, version: table.version + 1, jwks: { keys: [...rotated.jwks.keys, ...table.jwks.keys] } });
    const node = await TestNode.create(1);
    await node.grant(node.ports);
    await node.tunnels.setServer(node.server);
    await node.tunnels.setToken(await rotated.mint(node.nodeId, server.gateUrl));
    await node.open();
    (await reach(node.port)).close();
  });

  it('a session that does not run what is stored is told again, and nothing that runs is cut', async () => {
    const node = await TestNode.join({ portCount: 3 });
    const [kept = 0, missed = 0, left = 0] = node.ports;
    await node.open([kept, missed]);
    const client = await reach(kept);
    (await reach(missed)).close();
    await node.reloadWith((config) => `start = ["${proxyName(kept)}", "${proxyName(left)}"]\n${config}
[[proxies]]\nname = "${proxyName(left)}"\ntype = "tcp"\nlocalIP = "127.0.0.1"\nlocalPort = ${echo.port}\nremotePort = ${left}\n`);
    (await reach(missed)).close();
    await unreachable(left);
    expect(await node.status()).toEqual(['running', 'running']);
    expect(await client.echoes('untouched')).toBe(true);
    client.close();
  });

  it('keeps its secrets to itself', async () => {
    const node = await TestNode.join();
    for (const name of ['token', 'frpc.toml', 'frpc.json', 'ca.crt']) {
      expect((await stat(join(node.folder, name))).mode & 0o777, name).toBe(0o600);
    }
    const { admin_port } = await node.record();
    await until('the admin API answers', async () => (await fetch(`http://127.0.0.1:${admin_port}/api/status`)).status === 401);
  });
});

describe('what the gate refuses', { timeout: TEST_MS }, () => {
  it('a token of another node', async () => {
    const victim = await TestNode.join();
    const thief = await TestNode.create(0);
    await thief.grant([]);
    await thief.tunnels.setServer(thief.server);
    await thief.tunnels.setToken(await server.token(victim.nodeId));
    await until('the refusal is logged', () => refusals(thief.nodeId).includes('token_of_another_node'));
    expect(thief.tunnels.connected()).toBe(false);
    expect(server.gate.output).not.toContain(await readFile(join(thief.folder, 'token'), 'utf8'));
  });

  it('a node that is not in the table', async () => {
    const stranger = await TestNode.join({ enrolled: false });
    await until('the refusal is logged', () => refusals(stranger.nodeId).includes('unknown_node'));
    expect(stranger.tunnels.connected()).toBe(false);
  });

  it('tokens that are expired, for somebody else, or signed by a stranger', async () => {
    const expired = await TestNode.join({ token: { lifeS: -1 } });
    const elsewhere = await TestNode.join({ token: { audience: 'elsewhere' } });
    const foreign = await TestNode.join({ token: { issuer: 'http://127.0.0.1:1' } });
    await until('all are logged', () =>
      refusals(expired.nodeId).includes('token_expired') &&
      refusals(elsewhere.nodeId).includes('token_invalid') &&
      refusals(foreign.nodeId).includes('token_invalid'));
  });

  it('a port of another node, until the table says otherwise', async () => {
    const owner = await TestNode.join();
    const node = await TestNode.join();
    await node.open([owner.port]);
    await until('the refusal is seen', async () => (await node.status()).includes('error'));
    expect(refusals(node.nodeId)).toContain('name_not_listed');
    await owner.grant([]);
    await node.grant([owner.port]);
    (await reach(owner.port)).close();
  });

  it('a listed name with another port, another type, or a group', async () => {
    const node = await TestNode.join({ portCount: 2 });
    const [first = 0, second = 0] = node.ports;
    await node.grant([first]);
    const { admin_port: port, admin_password: password } = await node.record();
    const api = new StoreApi({ port, password });
    await until('frpc answers', () => api.status().then(() => true));
    await api.create({ name: proxyName(first), rentalId: node.rentalId, localIp: '127.0.0.1', localPort: echo.port, remotePort: second });
    await until('the port is refused', () => refusals(node.nodeId).includes('port_not_listed'));
    await api.remove(proxyName(first));
    const authorization = `Basic ${Buffer.from(`agent:${password}`).toString('base64')}`;
    const post = (body: unknown): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/api/store/proxies`, {
        method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body),
      });
    await post({ name: proxyName(first), type: 'udp', udp: { localIP: '127.0.0.1', localPort: 1, remotePort: first } });
    await until('the type is refused', () => refusals(node.nodeId).includes('type_not_tcp'));
    await api.remove(proxyName(first));
    await post({ name: proxyName(first), type: 'tcp', tcp: { localIP: '127.0.0.1', localPort: 1, remotePort: first, loadBalancer: { group: 'g', groupKey: 'k' } } });
    await until('the group is refused', () => refusals(node.nodeId).includes('group_not_allowed'));
  });
});

describe('what stays when something fails', { timeout: TEST_MS }, () => {
  it('token runs out: the proxies close; a new token brings them back', async () => {
    const node = await TestNode.join({ token: { lifeS: 8 } });
    await node.open();
    (await reach(node.port)).close();
    await unreachable(node.port);
    await until('the node knows', () => !node.tunnels.connected(), 60_000);
    await node.tunnels.setToken(await server.token(node.nodeId));
    (await reach(node.port)).close();
  });

  it('gate killed, backend away: streams stay, new connections work, a new proxy waits, the table comes from disk', async () => {
    const node = await TestNode.join({ portCount: 2 });
    const [first = 0, second = 0] = node.ports;
    await node.open([first]);
    const client = await reach(first);
    await server.backend.close();
    await server.gate.signal('SIGKILL');

    await node.open([first, second]);
    await until('the new proxy is refused for now', async () => (await node.status()).includes('error'));
    await seeHeartbeats(3);
    expect(await client.echoes('the stream stays')).toBe(true);
    (await reach(first)).close();

    await server.startGate();
    expect((await server.gateHealth()).backend_connected).toBe(false);
    (await reach(second)).close();
    expect(await client.echoes('and stays')).toBe(true);
    client.close();
    await server.backend.open();
    await until('the gate finds the backend again', async () => (await server.gateHealth()).backend_connected);
  });

  it('frps killed: the node logs in again with the same ports', async () => {
    const node = await TestNode.join({ portCount: 2 });
    await node.open();
    const client = await reach(node.port);
    await server.frps.signal('SIGKILL');
    await until('the stream is cut', () => client.closed);
    await until('the node knows', () => !node.tunnels.connected());
    await server.startFrps();
    for (const port of node.ports) (await reach(port)).close();
  });

  it('frps away for long: frpc does not wait for its next try, another one dials', async () => {
    const node = await TestNode.create(1);
    await node.grant(node.ports);
    node.tunnels = node.another({ noSessionLimitMs: 1_000 });
    await node.tunnels.setServer(node.server);
    await node.tunnels.setToken(await server.token(node.nodeId));
    await node.open();
    (await reach(node.port)).close();
    const { pid } = await node.record();
    await server.frps.signal('SIGKILL');
    await until('another frpc', async () => (await node.record()).pid !== pid);
    await server.startFrps();
    (await reach(node.port)).close();
  });

  it('frpc killed, again and again: back with the same ports', async () => {
    const node = await TestNode.join();
    await node.open();
    for (let round = 0; round < 3; round += 1) {
      (await reach(node.port)).close();
      const { pid } = await node.record();
      process.kill(pid, 'SIGKILL');
      await until('another frpc runs', async () => (await node.record()).pid !== pid);
    }
    (await reach(node.port)).close();
    expect((await node.tunnels.observe())?.map((tunnel) => tunnel.rentalId)).toEqual([node.rentalId]);
  });

  it('traffic really passes frpc: SIGSTOP stalls it', async () => {
    const node = await TestNode.join();
    await node.open();
    const client = await reach(node.port);
    const { pid } = await node.record();
    process.kill(pid, 'SIGSTOP');
    expect(await client.echoes('stalled', 500)).toBe(false);
    process.kill(pid, 'SIGCONT');
    await until('what was written comes back', () => client.received.includes('stalled'));
    client.close();
  });

  it('frpc alive but silent for long: it is replaced', async () => {
    const node = await TestNode.create(1);
    await node.grant(node.ports);
    node.tunnels = node.another({ silentLimitMs: 1_000 });
    await node.tunnels.setServer(node.server);
    await node.tunnels.setToken(await server.token(node.nodeId));
    await node.open();
    const { pid } = await node.record();
    process.kill(pid, 'SIGSTOP');
    await until('another frpc runs', async () => (await node.record()).pid !== pid);
    (await reach(node.port)).close();
  });

  it('no frpc to be had: says so, keeps trying, and starts when there is one', async () => {
    const node = await TestNode.create(1);
    await node.grant(node.ports);
    const frpcPath = join(node.folder, 'frpc-to-come');
    node.tunnels = node.another({ frpcPath });
    await node.tunnels.setServer(node.server);
    await expect(node.open()).rejects.toThrow(TunnelError);
    await node.tunnels.setToken(await server.token(node.nodeId));
    await expect(node.open()).rejects.toThrow(TunnelError);
    expect(await node.tunnels.observe()).toEqual([]);
    await symlink(server.binaries.frpc, frpcPath);
    await until('frpc takes the proxies', () => node.open().then(() => true));
    (await reach(node.port)).close();
  });

  it('agent killed: the stream stays and the next agent adopts frpc', async () => {
    const node = await TestNode.create(1);
    await node.grant(node.ports);
    const agent = spawnAgent(node, await server.token(node.nodeId));
    const client = await reach(node.port);
    const { pid } = await node.record();
    const gone = new Promise((resolve) => agent.once('exit', resolve));
    agent.kill('SIGKILL');
    await gone;

    expect(await client.echoes('without an agent')).toBe(true);
    await node.tunnels.setServer(node.server);
    expect((await node.record()).pid).toBe(pid);
    expect(await node.status()).toEqual(['running']);
    await node.open();
    expect(await client.echoes('with the next agent')).toBe(true);
    client.close();
  });

  it('an frpc without a record is ended, not doubled', async () => {
    const node = await TestNode.join();
    await node.open();
    const { pid } = await node.record();
    await node.tunnels.stop();
    await rm(join(node.folder, 'frpc.json'));
    node.tunnels = node.another();
    await node.tunnels.setServer(node.server);
    expect((await node.record()).pid).not.toBe(pid);
    (await reach(node.port)).close();
  });

  it('a server that does not hold the CA is not talked to', async () => {
    const node = await TestNode.create(1);
    await node.grant(node.ports);
    const impostor = await TunnelServerFixture.start(1);
    await node.tunnels.setServer({ ...node.server, caPem: impostor.caPem });
    await impostor.stop();
    await node.tunnels.setToken(await server.token(node.nodeId));
    await until('frpc has tried', async () => (await readFile(join(node.folder, 'frpc.log'), 'utf8')).includes('connect to server error'));
    expect(node.tunnels.connected()).toBe(false);
    expect(admitted(node.nodeId)).toEqual([]);
    // The right CA: frpc is replaced.
    await node.tunnels.setServer(node.server);
    await node.open();
    (await reach(node.port)).close();
    expect(admitted(node.nodeId)).toContain('Login');
  });
});

/** The smallest agent: a process of its own that opens the node's tunnels and then just lives. */
function spawnAgent(node: TestNode, token: string): ReturnType<typeof spawn> {
  const module = fileURLToPath(new URL('../../dist/tunnel/tunnels.js', import.meta.url));
  const script = `
    const { createTunnels } = await import(${JSON.stringify(module)});
    const { pino } = await import('pino');
    const tunnels = createTunnels({ folder: ${JSON.stringify(node.folder)}, frpcPath: ${JSON.stringify(server.binaries.frpc)}, log: pino({ level: 'silent' }) });
    await tunnels.setServer(${JSON.stringify(node.server)});
    await tunnels.setToken(${JSON.stringify(token)});
    await tunnels.ensure(${JSON.stringify(node.rentalId)}, ${JSON.stringify(node.mappings())});
    setInterval(() => {}, 1000);`;
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  return spawn(process.execPath, ['--input-type=module', '-e', script], { cwd, stdio: 'inherit' });
}
