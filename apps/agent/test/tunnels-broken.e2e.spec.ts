import { spawn } from 'node:child_process';
import { readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { TunnelServerFixture } from '@muster/testkit/frp/tunnel-server';
import { until } from '@muster/testkit/frp/until';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { TunnelError } from '../src/tunnel/types.js';
import { BUILD_FRP_MS, TunnelGround, type TunnelNode, unreachable } from './support/tunnel-ground.js';

const TEST_MS = 120_000;
let ground: TunnelGround;

beforeAll(async () => {
  ground = await TunnelGround.start(40);
}, BUILD_FRP_MS);
afterEach(() => ground.endNodes());
afterAll(() => ground?.end());

describe('what stays when something fails', { timeout: TEST_MS }, () => {
  it('token runs out: the proxies close; a new token brings them back', async () => {
    const node = await ground.join({ token: { lifeS: 8 } });
    await node.open();
    (await ground.reach(node.port)).close();
    await unreachable(node.port);
    await until('the node knows', () => !node.tunnels.connected(), 60_000);
    await node.tunnels.setToken(await ground.server.token(node.nodeId));
    (await ground.reach(node.port)).close();
  });

  it('gate killed, backend away: streams stay, new connections work, a new proxy waits, the table comes from disk', async () => {
    const node = await ground.join({ portCount: 2 });
    const [first = 0, second = 0] = node.ports;
    await node.open([first]);
    const client = await ground.reach(first);
    await ground.server.backend.close();
    await ground.server.gate.signal('SIGKILL');

    await node.open([first, second]);
    await until('the new proxy is refused for now', async () => (await node.status()).includes('error'));
    await ground.seeHeartbeats(3);
    expect(await client.echoes('the stream stays')).toBe(true);
    (await ground.reach(first)).close();

    await ground.server.startGate();
    expect((await ground.server.gateHealth()).backend_connected).toBe(false);
    (await ground.reach(second)).close();
    expect(await client.echoes('and stays')).toBe(true);
    client.close();
    await ground.server.backend.open();
    await until('the gate finds the backend again', async () => (await ground.server.gateHealth()).backend_connected);
  });

  it('frps killed: the node logs in again with the same ports', async () => {
    const node = await ground.join({ portCount: 2 });
    await node.open();
    const client = await ground.reach(node.port);
    await ground.server.frps.signal('SIGKILL');
    await until('the stream is cut', () => client.closed);
    await until('the node knows', () => !node.tunnels.connected());
    await ground.server.startFrps();
    for (const port of node.ports) (await ground.reach(port)).close();
  });

  it('frps away for long: frpc does not wait for its next try, another one dials', async () => {
    const node = await ground.create(1);
    await node.grant(node.ports);
    node.tunnels = node.another({ noSessionLimitMs: 1_000 });
    await node.tunnels.setServer(node.server);
    await node.tunnels.setToken(await ground.server.token(node.nodeId));
    await node.open();
    (await ground.reach(node.port)).close();
    const { pid } = await node.record();
    await ground.server.frps.signal('SIGKILL');
    await until('another frpc', async () => (await node.record()).pid !== pid);
    await ground.server.startFrps();
    (await ground.reach(node.port)).close();
  });

  it('frpc killed, again and again: back with the same ports', async () => {
    const node = await ground.join();
    await node.open();
    for (let round = 0; round < 3; round += 1) {
      (await ground.reach(node.port)).close();
      const { pid } = await node.record();
      process.kill(pid, 'SIGKILL');
      await until('another frpc runs', async () => (await node.record()).pid !== pid);
    }
    (await ground.reach(node.port)).close();
    expect((await node.tunnels.observe())?.map((tunnel) => tunnel.rentalId)).toEqual([node.rentalId]);
  });

  it('traffic really passes frpc: SIGSTOP stalls it', async () => {
    const node = await ground.join();
    await node.open();
    const client = await ground.reach(node.port);
    const { pid } = await node.record();
    process.kill(pid, 'SIGSTOP');
    expect(await client.echoes('stalled', 500)).toBe(false);
    process.kill(pid, 'SIGCONT');
    await until('what was written comes back', () => client.received.includes('stalled'));
    client.close();
  });

  it('frpc alive but silent for long: it is replaced', async () => {
    const node = await ground.create(1);
    await node.grant(node.ports);
    node.tunnels = node.another({ silentLimitMs: 1_000 });
    await node.tunnels.setServer(node.server);
    await node.tunnels.setToken(await ground.server.token(node.nodeId));
    await node.open();
    const { pid } = await node.record();
    process.kill(pid, 'SIGSTOP');
    await until('another frpc runs', async () => (await node.record()).pid !== pid);
    (await ground.reach(node.port)).close();
  });

  it('no frpc to be had: says so, keeps trying, and starts when there is one', async () => {
    const node = await ground.create(1);
    await node.grant(node.ports);
    const frpcPath = join(node.folder, 'frpc-to-come');
    node.tunnels = node.another({ frpcPath });
    await node.tunnels.setServer(node.server);
    await expect(node.open()).rejects.toThrow(TunnelError);
    await node.tunnels.setToken(await ground.server.token(node.nodeId));
    await expect(node.open()).rejects.toThrow(TunnelError);
    expect(await node.tunnels.observe()).toEqual([]);
    await symlink(ground.server.binaries.frpc, frpcPath);
    await until('frpc takes the proxies', () => node.open().then(() => true));
    (await ground.reach(node.port)).close();
  });

  it('agent killed: the stream stays and the next agent adopts frpc', async () => {
    const node = await ground.create(1);
    await node.grant(node.ports);
    const agent = spawnAgent(node, await ground.server.token(node.nodeId));
    const client = await ground.reach(node.port);
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
    const node = await ground.join();
    await node.open();
    const { pid } = await node.record();
    await node.tunnels.stop();
    await rm(join(node.folder, 'frpc.json'));
    node.tunnels = node.another();
    await node.tunnels.setServer(node.server);
    expect((await node.record()).pid).not.toBe(pid);
    (await ground.reach(node.port)).close();
  });

  it('a server that does not hold the CA is not talked to', async () => {
    const node = await ground.create(1);
    await node.grant(node.ports);
    const impostor = await TunnelServerFixture.start(1);
    await node.tunnels.setServer({ ...node.server, caPem: impostor.caPem });
    await impostor.stop();
    await node.tunnels.setToken(await ground.server.token(node.nodeId));
    await until('frpc has tried', async () => (await readFile(join(node.folder, 'frpc.log'), 'utf8')).includes('connect to server error'));
    expect(node.tunnels.connected()).toBe(false);
    expect(ground.admitted(node.nodeId)).toEqual([]);
    // The right CA: frpc is replaced.
    await node.tunnels.setServer(node.server);
    await node.open();
    (await ground.reach(node.port)).close();
    expect(ground.admitted(node.nodeId)).toContain('Login');
  });
});

/** The smallest agent: a process of its own that opens the node's tunnels and then just lives. */
function spawnAgent(node: TunnelNode, token: string): ReturnType<typeof spawn> {
  const module = fileURLToPath(new URL('../dist/tunnel/tunnels.js', import.meta.url));
  const script = `
    const { createTunnels } = await import(${JSON.stringify(module)});
    const { pino } = await import('pino');
    const tunnels = createTunnels({ folder: ${JSON.stringify(node.folder)}, frpcPath: ${JSON.stringify(ground.server.binaries.frpc)}, log: pino({ level: 'silent' }) });
    await tunnels.setServer(${JSON.stringify(node.server)});
    await tunnels.setToken(${JSON.stringify(token)});
    await tunnels.ensure(${JSON.stringify(node.rentalId)}, ${JSON.stringify(node.mappings())});
    setInterval(() => {}, 1000);`;
  const cwd = fileURLToPath(new URL('..', import.meta.url));
  return spawn(process.execPath, ['--input-type=module', '-e', script], { cwd, stdio: 'inherit' });
}
