import { agentMessages, AGENT_NAMESPACE, Problem, type Heartbeat } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import fc from 'fast-check';
import { decodeJwt, decodeProtectedHeader } from 'jose';
import { io, type Socket } from 'socket.io-client';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { NodeKey, plainHeartbeat, SimulatedAgent, simulatedGpu, simulatedInventory } from '../../test/simulated-agent.js';
import { Presence } from '../fleet/presence.js';
import { AgentSockets } from './agent-sockets.js';
import { NodePush } from './node-push.js';
import { Upkeep } from './upkeep.js';

const deadline = (what: string) => ({ what, deadlineMs: 10_000 });

describe('agent sockets', () => {
  let app: TestApp;
  let owner: TestAccount;
  const open: { close(): void }[] = [];

  beforeAll(async () => {
    app = await createTestApp();
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    owner = await app.signUp();
  });
  afterEach(() => {
    for (const each of open.splice(0)) each.close();
  });

  const enrol = async (options = {}): Promise<SimulatedAgent> => {
    const agent = await SimulatedAgent.enrol(app, owner, options);
    open.push(agent);
    return agent;
  };
  const connected = async (options = {}): Promise<SimulatedAgent> => {
    const agent = await enrol(options);
    await agent.connect();
    return agent;
  };
  /** A socket with only a host API key, that never answers the challenge. */
  const keyOnly = (hostKey: string): Socket => {
    const socket = io(`${app.url}${AGENT_NAMESPACE}`, { transports: ['websocket'], extraHeaders: { authorization: `Bearer ${hostKey}` }, reconnection: false, forceNew: true });
    open.push(socket);
    return socket;
  };
  const refusal = async (headers: Record<string, string>): Promise<Problem> => {
    const socket = io(`${app.url}${AGENT_NAMESPACE}`, { transports: ['websocket'], extraHeaders: headers, reconnection: false, forceNew: true });
    open.push(socket);
    return new Promise((resolve) => socket.on('connect_error', (error) => resolve((error as Error & { data: Problem }).data)));
  };
  const nodeRow = (id: string) => app.db.client.hostNode.findUniqueOrThrow({ where: { id } });

  describe('heartbeats', () => {
    it('acks exactly the heartbeat of the contract, bare and as the whole envelope, and brings the node online', async () => {
      const agent = await enrol();
      const socket = keyOnly(agent.hostKey);
      const beat = plainHeartbeat(agent.nodeId);
      const ack = await socket.timeout(5_000).emitWithAck('heartbeat', beat);
      expect(ack).toMatchObject({ ok: true, next_interval_ms: 5000, lease_s: 1800, generation: 0 });
      expect(agentMessages.heartbeat.ack.safeParse(ack).success).toBe(true);
      expect((await socket.timeout(5_000).emitWithAck('heartbeat', { event: 'heartbeat', data: beat })).ok).toBe(true);
      expect(await nodeRow(agent.nodeId)).toMatchObject({ presence: 'online', status: 'online' });
      const view = await app.call('getNode', { token: owner.token, params: { node_id: agent.nodeId } });
      expect(Date.now() - Date.parse(view.body.last_heartbeat)).toBeLessThan(60_000);
    });

    it('answers the same over plain HTTP', async () => {
      const agent = await enrol();
      const call = (nodeId: string, body: Heartbeat) => app.call('heartbeat', { token: agent.hostKey, params: { node_id: nodeId }, body });
      expect((await call(agent.nodeId, plainHeartbeat(agent.nodeId))).body).toMatchObject({ ok: true, next_interval_ms: 30_000 });
      const other = await SimulatedAgent.enrol(app, await app.signUp());
      expect((await call(other.nodeId, plainHeartbeat(other.nodeId))).status).toBe(404);
      expect((await call(agent.nodeId, plainHeartbeat(other.nodeId))).status).toBe(422);
    });

    it("refuses a beat for another owner's node", async () => {
      const mine = await connected();
      const other = await SimulatedAgent.enrol(app, await app.signUp());
      expect(await mine.send('heartbeat', plainHeartbeat(other.nodeId))).toMatchObject({ ok: false, problem: { code: 'not_found' } });
      expect((await nodeRow(other.nodeId)).presence).toBe('offline');
    });

    it('writes nothing to Postgres while all is steady', async () => {
      const agent = await connected();
      await agent.beat();
      // A row's xmin is the transaction that wrote it last: every write to the node would show as another one.
      const written = async (): Promise<string> => {
        const [row] = await app.db.client.$queryRaw<{ stamp: string }[]>`
          SELECT concat_ws(' ', n.xmin::text, (SELECT count(*) FROM "NodeDowntime" d WHERE d."nodeId" = n.id),
            (SELECT count(*) FROM "ReputationEvent" e WHERE e."nodeId" = n.id), (SELECT count(*) FROM "RentalGap")) AS stamp
          FROM "HostNode" n WHERE n.id = ${agent.nodeId}::uuid`;
        return row?.stamp ?? '';
      };
      const stamps = new Set([await written()]);
      for (let i = 1; i <= 200; i += 1) {
        await agent.beat();
        if (i % 20 === 0) stamps.add(await written());
      }
      // The batch of the minute may fall into these seconds, once.
      expect(stamps.size).toBeLessThanOrEqual(2);
      // The batched statement is the one write that there is.
      await app.app.get(Presence).flushLastSeen();
      expect((await nodeRow(agent.nodeId)).lastHeartbeat).not.toBeNull();
    });
  });

  describe('proof of the node key', () => {
    it('is followed by the desired state and a tunnel token', async () => {
      const agent = await connected();
      const challenge = agentMessages.challenge.payload.parse(agent.payloads('challenge')[0]);
      expect(challenge.cluster_id).toBe(agent.enrolled.cluster_id);
      expect(agent.payloads('desired_state')[0]).toEqual({ cluster_id: agent.enrolled.cluster_id, generation: 0, instances: [], absent: [], draining: false });
      const { token, expires_at } = await waitFor(() => agent.payloads('tunnel_token')[0] as { token: string; expires_at: string } | undefined, deadline('a tunnel token'));
      expect(decodeProtectedHeader(token).alg).toBe('RS256');
      const claims = decodeJwt(token);
      expect(claims).toMatchObject({ sub: agent.nodeId, aud: 'frps', iss: 'http://127.0.0.1:7080' });
      expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBe(6 * 3600);
      expect(Date.parse(expires_at)).toBe((claims.exp ?? 0) * 1000);
    });

    it('refuses another key, another owner and a node that does not exist, and ends the socket', async () => {
      const mine = await enrol();
      const other = await SimulatedAgent.enrol(app, await app.signUp());
      const cases = [
        { nodeId: mine.nodeId, key: new NodeKey(), code: 'bad_signature' },
        { nodeId: other.nodeId, key: other.key, code: 'not_found' },
        { nodeId: '0190a1b2-0000-7000-8000-000000000000', key: mine.key, code: 'not_found' },
      ];
      for (const { nodeId, key, code } of cases) {
        const socket = keyOnly(mine.hostKey);
        const problems: Problem[] = [];
        let ended = false;
        socket.on('problem', (problem: Problem) => problems.push(problem));
        socket.on('disconnect', () => (ended = true));
        socket.on('challenge', ({ nonce }: { nonce: string }, ack: (answer: unknown) => void) =>
          ack({ ok: true, node_id: nodeId, signature: key.sign(`muster-connect-v1\n${nonce}\n${nodeId}`), agent_version: '0', boot_id: '0' }),
        );
        await waitFor(() => ended, deadline('the end of the socket'));
        expect(problems.map((problem) => problem.code)).toEqual([code]);
      }
      expect((await nodeRow(mine.nodeId)).connectionEpoch).toBe(0n);
    });

    it('refuses a signature over the nonce of another connection', async () => {
      const agent = await connected();
      const old = (agent.payloads('challenge')[0] as { nonce: string }).nonce;
      const socket = keyOnly(agent.hostKey);
      const problem = new Promise<Problem>((resolve) => socket.on('problem', resolve));
      socket.on('challenge', (_challenge: unknown, ack: (answer: unknown) => void) =>
        ack({ ok: true, node_id: agent.nodeId, signature: agent.key.sign(`muster-connect-v1\n${old}\n${agent.nodeId}`), agent_version: '0', boot_id: '0' }),
      );
      expect((await problem).code).toBe('bad_signature');
    });

    it('is needed for everything but heartbeats', async () => {
      const agent = await enrol();
      const socket = keyOnly(agent.hostKey);
      const before = await nodeRow(agent.nodeId);
      for (const [event, payload] of [
        ['inventory', { node_id: agent.nodeId, inventory: simulatedInventory({ cpu_cores: 1 }) }],
        ['goodbye', { node_id: agent.nodeId, reason: 'x' }],
        ['instance_update', { rental_id: agent.nodeId, epoch: 1, state: 'gone' }],
      ] as const) {
        expect(await socket.timeout(5_000).emitWithAck(event, payload)).toMatchObject({ ok: false, problem: { code: 'not_proven' } });
      }
      expect(await nodeRow(agent.nodeId)).toEqual(before);
    });

    it('admits host API keys only', async () => {
      expect((await refusal({})).code).toBe('unauthenticated');
      expect((await refusal({ authorization: 'Bearer msh_nothing' })).code).toBe('unauthenticated');
      expect((await refusal({ authorization: `Bearer ${(await app.makeKey(owner, { kind: 'user', scopes: ['read', 'host'] })).key}` })).code).toBe('forbidden');
      expect((await refusal({ authorization: `Bearer ${owner.token}` })).code).toBe('forbidden');
    });

    it('drops the sockets of a revoked key at once', async () => {
      const hostKey = await app.makeKey(owner, { kind: 'host' });
      const agent = await connected({ hostKey: hostKey.key });
      const plain = keyOnly(hostKey.key);
      await plain.timeout(5_000).emitWithAck('heartbeat', plainHeartbeat(agent.nodeId));
      await app.call('revokeApiKey', { token: owner.token, params: { api_key_id: hostKey.id } });
      await waitFor(() => !agent.connected && !plain.connected, deadline('both sockets to end'));
      expect(agent.problems.map((problem) => problem.code)).toEqual(['unauthenticated']);
      expect((await refusal({ authorization: `Bearer ${hostKey.key}` })).code).toBe('unauthenticated');
    });
  });

  describe('messages', () => {
    it('take an inventory, and the checks in it decide', async () => {
      const agent = await connected();
      const gpus = [simulatedGpu(0, { name: 'H100 SXM', gpu_ram_mb: 81_559 })];
      expect(await agent.send('inventory', { node_id: agent.nodeId, inventory: simulatedInventory({ cpu_cores: 64, gpus }) })).toEqual({ ok: true });
      expect(await nodeRow(agent.nodeId)).toMatchObject({ cpuTotal: 64, tier: 'gpu-datacenter', lifecycle: 'verified' });
      await agent.send('inventory', { node_id: agent.nodeId, inventory: simulatedInventory({ docker: null }) });
      expect(await nodeRow(agent.nodeId)).toMatchObject({ lifecycle: 'pending_verification' });
    });

    it('say goodbye: offline at once, nothing held against the node, back with the next heartbeat', async () => {
      const agent = await connected();
      await agent.beat();
      expect(await agent.send('goodbye', { node_id: agent.nodeId, reason: 'shutdown' })).toEqual({ ok: true });
      expect(await nodeRow(agent.nodeId)).toMatchObject({ presence: 'offline', reputationScore: 100 });
      await agent.beat();
      expect(await nodeRow(agent.nodeId)).toMatchObject({ presence: 'online' });
    });

    it('of a wrong account change nothing, whichever it is', async () => {
      const mine = await connected();
      const other = await SimulatedAgent.enrol(app, await app.signUp());
      await other.connect();
      const payloads: Record<string, unknown> = {
        heartbeat: plainHeartbeat(other.nodeId),
        inventory: { node_id: other.nodeId, inventory: simulatedInventory({ cpu_cores: 1 }) },
        instance_update: { rental_id: other.nodeId, epoch: 1, state: 'gone' },
        task_update: { updates: [{ execution_id: other.nodeId, attempt: 1, phase: 'refused' }] },
        task_results: {
          v: 1, node_id: other.nodeId, seq: 1, root: '0'.repeat(64), count: 1, signature: 'x',
          results: [{ execution_id: other.nodeId, attempt: 1, result_hash: '0'.repeat(64), result: '', exit_code: 0, fault: null, logs: '', duration_ms: 1 }],
        },
        goodbye: { node_id: other.nodeId, reason: 'not mine' },
      };
      const before = await nodeRow(other.nodeId);
      const names = Object.entries(agentMessages).filter(([, spec]) => spec.direction === 'agent_to_server').map(([name]) => name);
      for (const name of names) {
        // A new message of the catalogue needs a line above, or this fails.
        expect(payloads[name], name).toBeDefined();
        expect(await mine.send(name, payloads[name]), name).toMatchObject({ ok: false, problem: { status: expect.toSatisfy((status: number) => status === 403 || status === 404) } });
      }
      expect(await nodeRow(other.nodeId)).toEqual(before);
      other.close();
    });

    it('that are unknown, malformed or the server’s own are answered with a code', async () => {
      const agent = await connected();
      const code = async (event: string, payload: unknown) => (await agent.send(event, payload)).problem?.code;
      expect(await code('no_such_event', {})).toBe('unknown_event');
      expect(await code('desired_state', {})).toBe('unknown_event');
      expect(await code('heartbeat', null)).toBe('invalid_request');
      expect(await code('heartbeat', { ...plainHeartbeat(agent.nodeId), metrics: {} })).toBe('invalid_request');
      expect(await code('inventory', { node_id: agent.nodeId, inventory: { padding: 'x'.repeat(600_000) } })).toBe('payload_too_large');
      expect(await code('no_such_event', 'x'.repeat(600_000))).toBe('payload_too_large');
      expect((await agent.beat()).ok).toBe(true);
    });

    it('survive random events and payloads without a crash or a change', async () => {
      const agent = await connected();
      const before = await nodeRow(agent.nodeId);
      const names = Object.keys(agentMessages);
      const event = fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 20 }).filter((name) => !['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'].includes(name)));
      await fc.assert(
        fc.asyncProperty(event, fc.jsonValue({ maxDepth: 3 }), async (name, payload) => {
          const answer = await agent.send(name, payload);
          return answer.ok === false && Problem.safeParse(answer.problem).success && answer.problem.code !== 'internal';
        }),
        { numRuns: 150 },
      );
      expect(await nodeRow(agent.nodeId)).toEqual(before);
      expect((await agent.beat()).ok).toBe(true);
    });

    it('are limited per socket', async () => {
      const agent = await connected();
      const answers = await Promise.all(Array.from({ length: 500 }, () => agent.send('no_such_event', {})));
      const codes = new Set(answers.map((answer) => answer.problem.code));
      expect(codes).toEqual(new Set(['unknown_event', 'rate_limited']));
    });

    it('without an ack function are taken all the same', async () => {
      const agent = await connected();
      agent.socket.emit('heartbeat', plainHeartbeat(agent.nodeId));
      await waitFor(async () => (await nodeRow(agent.nodeId)).presence === 'online', deadline('presence'));
    });
  });

  describe('orders', () => {
    it('tell a draining node at once, with its generation', async () => {
      const agent = await connected();
      const verb = (name: 'drainNode' | 'unlistNode') => app.call(name, { token: owner.token, params: { node_id: agent.nodeId } });
      await verb('drainNode');
      await waitFor(() => agent.payloads('drain_node').length === 1, deadline('drain_node'));
      expect(agent.payloads('desired_state').at(-1)).toMatchObject({ draining: true, generation: 1 });
      expect(agent.payloads('drain_node')[0]).toMatchObject({ generation: 1 });
      expect((await agent.beat()).generation).toBe(1);
      await verb('unlistNode');
      await waitFor(() => (agent.payloads('desired_state').at(-1) as { draining: boolean }).draining === false, deadline('the end of draining'));
    });

    it('send the desired state every minute and the token every five', async () => {
      const agent = await connected();
      await waitFor(() => agent.payloads('tunnel_token').length === 1, deadline('the first token'));
      const sent = agent.payloads('desired_state').length;
      const upkeep = app.app.get(Upkeep);
      await upkeep.run(performance.now() + 61_000);
      await waitFor(() => agent.payloads('desired_state').length === sent + 1, deadline('the desired state again'));
      await upkeep.run(performance.now() + 301_000);
      await waitFor(() => agent.payloads('tunnel_token').length === 2, deadline('a new token'));
    });

    it('carry a question to the node and its answer back', async () => {
      const agent = await connected();
      const ask = (nodeId: string) => app.app.get(NodePush).request(nodeId, 'log_request', { rental_id: agent.nodeId, tail_lines: 10 }, 2_000);
      expect(await ask(agent.nodeId)).toMatchObject({ ok: true, value: { text: agent.logText, truncated: false } });
      agent.close();
      await waitFor(() => app.app.get(AgentSockets).live(agent.nodeId) === undefined, deadline('the socket to go'));
      expect(await ask(agent.nodeId)).toMatchObject({ ok: false, problem: { code: 'node_unreachable' } });
    });
  });

  describe('one live socket per node', () => {
    it('lets the newest win; the end of the old one changes nothing', async () => {
      const old = await connected();
      const socket = old.socket;
      const fresh = await SimulatedAgent.enrol(app, owner, { hostKey: old.hostKey, key: old.key });
      open.push(fresh);
      await fresh.connect();
      await waitFor(() => !socket.connected, deadline('the old socket to end'));
      expect(old.problems.map((problem) => problem.code)).toEqual(['superseded']);
      expect(app.app.get(AgentSockets).live(fresh.nodeId)?.socket.id).toBe(fresh.socket.id);
      expect((await fresh.beat()).ok).toBe(true);
      expect((await nodeRow(fresh.nodeId)).connectionEpoch).toBe(2n);
    });

    it('holds across replicas, and orders reach the node on whichever it is', async () => {
      const second = await createTestApp({ beside: app });
      try {
        const agent = await connected();
        const socket = agent.socket;
        const mover = await SimulatedAgent.enrol(app, owner, { hostKey: agent.hostKey, key: agent.key });
        open.push(mover);
        await mover.connect(second.url);
        await waitFor(() => !socket.connected, deadline('the socket on the first replica to end'));
        await app.call('drainNode', { token: owner.token, params: { node_id: agent.nodeId } });
        await waitFor(() => mover.payloads('drain_node').length === 1, deadline('drain_node through the other replica'));
        const asked = app.app.get(NodePush).request(agent.nodeId, 'log_request', { rental_id: agent.nodeId, tail_lines: 1 }, 3_000);
        expect(await asked).toMatchObject({ ok: true, value: { text: mover.logText } });
        await app.redis.kill();
        await app.redis.restart();
        await waitFor(async () => {
          const again = await app.app.get(NodePush).request(agent.nodeId, 'log_request', { rental_id: agent.nodeId, tail_lines: 1 }, 500);
          return again.ok;
        }, deadline('an answer after Redis came back'));
        expect(mover.connected).toBe(true);
        mover.close();
      } finally {
        await second.close();
      }
    });

    it('leaves exactly one after a race of proofs', async () => {
      const agent = await enrol();
      const rivals = Array.from({ length: 8 }, () => keyOnly(agent.hostKey));
      for (const socket of rivals) {
        socket.on('challenge', ({ nonce }: { nonce: string }, ack: (answer: unknown) => void) =>
          ack({ ok: true, node_id: agent.nodeId, signature: agent.key.sign(`muster-connect-v1\n${nonce}\n${agent.nodeId}`), agent_version: '0', boot_id: '0' }),
        );
      }
      await waitFor(async () => (await nodeRow(agent.nodeId)).connectionEpoch === 8n, deadline('all proofs'));
      await waitFor(() => rivals.filter((socket) => socket.connected).length === 1, deadline('one socket to stay'));
      expect(app.app.get(AgentSockets).live(agent.nodeId)?.proof?.epoch).toBe(8n);
    });
  });
});
