import { GATE_NAMESPACE, GateChange, gateMessages, GateTable, type Problem } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { createLocalJWKSet, jwtVerify } from 'jose';
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { makeRunningRental } from '../../test/market-fixtures.js';
import { SimulatedAgent } from '../../test/simulated-agent.js';
import { claimPorts, releasePorts } from './ports.js';
import { GatePush } from './gate-push.js';
import { TunnelTokens } from './tunnel-token.js';

const deadline = (what: string) => ({ what, deadlineMs: 10_000 });

class Gate {
  readonly tables: GateTable[] = [];
  readonly changes: GateChange[] = [];
  readonly socket: Socket;
  problem: Problem | undefined;

  constructor(url: string, secret: string, tunnelServerId: string) {
    this.socket = io(`${url}${GATE_NAMESPACE}`, {
      transports: ['websocket'], extraHeaders: { authorization: `Bearer ${secret}` }, auth: { tunnel_server_id: tunnelServerId }, reconnection: false, forceNew: true,
    });
    this.socket.on('connect_error', (error) => (this.problem = (error as Error & { data: Problem }).data));
    this.socket.on('table', (raw: unknown, ack: (answer: unknown) => void) => {
      const table = GateTable.parse(raw);
      this.tables.push(table);
      ack({ ok: true, version: table.version });
    });
    this.socket.on('table_change', (raw: unknown, ack: (answer: unknown) => void) => {
      const change = gateMessages.table_change.payload.parse(raw);
      this.changes.push(change);
      ack({ ok: true, version: change.version });
    });
  }

  table(): Promise<GateTable> {
    return waitFor(() => this.tables.at(-1), deadline('a table'));
  }
}

describe('tunnel gate', () => {
  let app: TestApp;
  let owner: TestAccount;
  let serverId: string;
  const open: { close(): void }[] = [];

  beforeAll(async () => {
    app = await createTestApp();
    owner = await app.signUp();
    serverId = (await app.db.client.tunnelServer.findFirstOrThrow()).id;
  });
  afterAll(() => app.close());
  afterEach(() => {
    for (const each of open.splice(0)) each.close();
  });

  const dial = (options: { url?: string; secret?: string; serverId?: string } = {}): Gate => {
    const gate = new Gate(options.url ?? app.url, options.secret ?? app.config.gateSecret, options.serverId ?? serverId);
    open.push(gate.socket);
    return gate;
  };
  const rentWithPorts = async (nodeId: string): Promise<{ rentalId: string; ports: number[] }> => {
    const rentalId = await makeRunningRental(app.db.client, { renterId: owner.id, nodeId, rateMicroHour: 1n, startTime: new Date() });
    const ports = await app.db.client.$transaction((tx) => claimPorts(tx, { tunnelServerId: serverId, rentalId, containerPorts: [22, 8888], now: new Date() }));
    return { rentalId, ports: Object.values(ports ?? {}) };
  };

  it('refuses a wrong secret and an unknown tunnel server', async () => {
    const [wrong, unknown] = [dial({ secret: 'not the secret of this market at all' }), dial({ serverId: '0190a1b2-0000-7000-8000-000000000000' })];
    await waitFor(() => wrong.problem && unknown.problem, deadline('both refusals'));
    expect(wrong.problem?.code).toBe('unauthenticated');
    expect(unknown.problem?.code).toBe('not_found');
  });

  it('gets the whole table at once, with keys under which a node’s token holds', async () => {
    const agent = await SimulatedAgent.enrol(app, owner);
    const { ports } = await rentWithPorts(agent.nodeId);
    const table = await dial().table();
    expect(table.nodes.find((node) => node.node_id === agent.nodeId)?.proxies).toEqual(ports.map((port) => ({ name: `p${port}`, port })));
    const { token } = await app.app.get(TunnelTokens).mint(agent.nodeId);
    const { payload } = await jwtVerify(token, createLocalJWKSet(table.jwks), { audience: 'frps', issuer: 'http://127.0.0.1:7080' });
    expect(payload.sub).toBe(agent.nodeId);
  });

  it('hears of each change with a newer version, and of a retired node that it is out', async () => {
    const agent = await SimulatedAgent.enrol(app, owner);
    const gate = dial();
    const table = await gate.table();
    const push = app.app.get(GatePush);
    const { rentalId, ports } = await rentWithPorts(agent.nodeId);
    await push.nodeChanged(agent.nodeId);
    await app.db.client.$transaction((tx) => releasePorts(tx, rentalId, new Date()));
    await push.nodeChanged(agent.nodeId);
    await app.call('retireNode', { token: owner.token, params: { node_id: agent.nodeId }, body: { force: true } });
    const own = gate.changes.filter((change) => change.node_id === agent.nodeId).map((change) => change.proxies);
    expect(own[0]).toEqual(ports.map((port) => ({ name: `p${port}`, port })));
    expect(own[1]).toEqual([]);
    expect(own.at(-1)).toBeNull();
    const versions = [table.version, ...gate.changes.map((change) => change.version)];
    expect(versions).toEqual([...new Set(versions)].toSorted((a, b) => a - b));
    expect((await dial().table()).nodes.map((node) => node.node_id)).not.toContain(agent.nodeId);
  });

  it('hears of a change made on another replica', async () => {
    const second = await createTestApp({ beside: app });
    try {
      const agent = await SimulatedAgent.enrol(app, owner);
      const gate = dial({ url: second.url });
      await gate.table();
      const { ports } = await rentWithPorts(agent.nodeId);
      await app.app.get(GatePush).nodeChanged(agent.nodeId);
      await waitFor(() => gate.changes.some((change) => change.node_id === agent.nodeId && change.proxies?.length === ports.length), deadline('the change'));
      gate.socket.close();
    } finally {
      await second.close();
    }
  });
});
