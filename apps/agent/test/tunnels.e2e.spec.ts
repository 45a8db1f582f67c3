import { randomUUID } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { proxyName } from '@muster/shared-types';
import { EchoClient, startEcho } from '@muster/testkit/frp/echo-server';
import { TunnelTokens } from '@muster/testkit/frp/tunnel-tokens';
import { until } from '@muster/testkit/frp/until';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { StoreApi } from '../src/tunnel/store-api.js';
import { BUILD_FRP_MS, TunnelGround, unreachable } from './support/tunnel-ground.js';

const TEST_MS = 120_000;
let ground: TunnelGround;

beforeAll(async () => {
  ground = await TunnelGround.start(40);
}, BUILD_FRP_MS);
afterEach(() => ground.endNodes());
afterAll(() => ground?.end());

describe('a node with its tunnels', { timeout: TEST_MS }, () => {
  it('serves a port, says so, and lets it go again without cutting who is on it', async () => {
    const node = await ground.join();
    await until('the idle node is connected', () => node.tunnels.connected());
    expect(await node.tunnels.observe()).toEqual([]);

    await node.open();
    const client = await ground.reach(node.port);
    expect(await client.echoes('to and fro')).toBe(true);
    expect(await node.tunnels.observe()).toEqual([
      { rentalId: node.rentalId, containerPort: ground.echo.port, publicPort: node.port, localIp: '127.0.0.1', status: 'running' },
    ]);
    expect(node.tunnels.connected()).toBe(true);

    await node.tunnels.remove(node.rentalId);
    await unreachable(node.port);
    expect(await node.tunnels.observe()).toEqual([]);
    expect(await client.echoes('still here')).toBe(true);
    client.close();
  });

  it('changes only the named proxies', async () => {
    const node = await ground.join({ portCount: 6 });
    const [first = 0, ...others] = node.ports;
    const other = randomUUID();
    await node.open([first]);
    const client = await ground.reach(first);
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
    const node = await ground.join();
    const moved = await startEcho('moved\n');
    await node.open();
    (await ground.reach(node.port)).close();
    await node.tunnels.ensure(node.rentalId, [{ containerPort: moved.port, publicPort: node.port, localIp: '127.0.0.1' }]);
    const client = await until('the new container answers', async () => {
      const opened = await EchoClient.open(node.port);
      return opened?.received.startsWith('moved') ? opened : (opened?.close(), undefined);
    });
    client.close();
    await moved.close();
  });

  it('logs in with a token of a key that came after frps had started', async () => {
    const { table } = ground.server.backend;
    const rotated = await TunnelTokens.create('second');
    await ground.server.backend.push({ ...table, version: table.version + 1, jwks: { keys: [...rotated.jwks.keys, ...table.jwks.keys] } });
    const node = await ground.create(1);
    await node.grant(node.ports);
    await node.tunnels.setServer(node.server);
    await node.tunnels.setToken(await rotated.mint(node.nodeId, ground.server.gateUrl));
    await node.open();
    (await ground.reach(node.port)).close();
  });

  it('a session that does not run what is stored is told again, and nothing that runs is cut', async () => {
    const node = await ground.join({ portCount: 3 });
    const [kept = 0, missed = 0, left = 0] = node.ports;
    await node.open([kept, missed]);
    const client = await ground.reach(kept);
    (await ground.reach(missed)).close();
    await node.reloadWith((config) => `start = ["${proxyName(kept)}", "${proxyName(left)}"]\n${config}
[[proxies]]\nname = "${proxyName(left)}"\ntype = "tcp"\nlocalIP = "127.0.0.1"\nlocalPort = ${ground.echo.port}\nremotePort = ${left}\n`);
    (await ground.reach(missed)).close();
    await unreachable(left);
    expect(await node.status()).toEqual(['running', 'running']);
    expect(await client.echoes('untouched')).toBe(true);
    client.close();
  });

  it('keeps its secrets to itself', async () => {
    const node = await ground.join();
    for (const name of ['token', 'frpc.toml', 'frpc.json', 'ca.crt']) {
      expect((await stat(join(node.folder, name))).mode & 0o777, name).toBe(0o600);
    }
    const { admin_port } = await node.record();
    await until('the admin API answers', async () => (await fetch(`http://127.0.0.1:${admin_port}/api/status`)).status === 401);
  });
});

describe('what the gate refuses', { timeout: TEST_MS }, () => {
  it('a token of another node', async () => {
    const victim = await ground.join();
    const thief = await ground.create(0);
    await thief.grant([]);
    await thief.tunnels.setServer(thief.server);
    await thief.tunnels.setToken(await ground.server.token(victim.nodeId));
    await until('the refusal is logged', () => ground.refusals(thief.nodeId).includes('token_of_another_node'));
    expect(thief.tunnels.connected()).toBe(false);
    expect(ground.server.gate.output).not.toContain(await readFile(join(thief.folder, 'token'), 'utf8'));
  });

  it('a node that is not in the table', async () => {
    const stranger = await ground.join({ enrolled: false });
    await until('the refusal is logged', () => ground.refusals(stranger.nodeId).includes('unknown_node'));
    expect(stranger.tunnels.connected()).toBe(false);
  });

  it('tokens that are expired, for somebody else, or signed by a stranger', async () => {
    const expired = await ground.join({ token: { lifeS: -1 } });
    const elsewhere = await ground.join({ token: { audience: 'elsewhere' } });
    const foreign = await ground.join({ token: { issuer: 'http://127.0.0.1:1' } });
    await until('all are logged', () =>
      ground.refusals(expired.nodeId).includes('token_expired') &&
      ground.refusals(elsewhere.nodeId).includes('token_invalid') &&
      ground.refusals(foreign.nodeId).includes('token_invalid'));
  });

  it('a port of another node, until the table says otherwise', async () => {
    const owner = await ground.join();
    const node = await ground.join();
    await node.open([owner.port]);
    await until('the refusal is seen', async () => (await node.status()).includes('error'));
    expect(ground.refusals(node.nodeId)).toContain('name_not_listed');
    await owner.grant([]);
    await node.grant([owner.port]);
    (await ground.reach(owner.port)).close();
  });

  it('a listed name with another port, another type, or a group', async () => {
    const node = await ground.join({ portCount: 2 });
    const [first = 0, second = 0] = node.ports;
    await node.grant([first]);
    const { admin_port: port, admin_password: password } = await node.record();
    const api = new StoreApi({ port, password });
    await until('frpc answers', () => api.status().then(() => true));
    await api.create({ name: proxyName(first), rentalId: node.rentalId, localIp: '127.0.0.1', localPort: ground.echo.port, remotePort: second });
    await until('the port is refused', () => ground.refusals(node.nodeId).includes('port_not_listed'));
    await api.remove(proxyName(first));
    const authorization = `Basic ${Buffer.from(`agent:${password}`).toString('base64')}`;
    const post = (body: unknown): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/api/store/proxies`, {
        method: 'POST', headers: { authorization, 'content-type': 'application/json' }, body: JSON.stringify(body),
      });
    await post({ name: proxyName(first), type: 'udp', udp: { localIP: '127.0.0.1', localPort: 1, remotePort: first } });
    await until('the type is refused', () => ground.refusals(node.nodeId).includes('type_not_tcp'));
    await api.remove(proxyName(first));
    await post({ name: proxyName(first), type: 'tcp', tcp: { localIP: '127.0.0.1', localPort: 1, remotePort: first, loadBalancer: { group: 'g', groupKey: 'k' } } });
    await until('the group is refused', () => ground.refusals(node.nodeId).includes('group_not_allowed'));
  });
});
