import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AGENT_NAMESPACE, makeProblem } from '@muster/shared-types';
import { pino } from 'pino';
import { Server } from 'socket.io';
import { afterEach, expect, it } from 'vitest';
import { Connection, type ServerHandlers } from './connection.js';
import { sayGoodbye } from './goodbye.js';
import { Heartbeats } from './heartbeats.js';

const NODE = '01890000-0000-7000-8000-000000000007';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const never = async (): Promise<never> => Promise.reject(new Error('not asked in this test'));
const ok = async () => ({ ok: true as const });
const handlers: ServerHandlers = { challenge: never, desired_state: never, start_instance: never, stop_instance: never, run_tasks: async () => ({ ok: true }) as const,
  cancel_tasks: async () => ({ ok: true }) as const,
  drain_node: ok, tunnel_token: ok, log_request: never, exec_open: ok, exec_data: ok, exec_resize: ok };

type OnConnection = (count: number, send: (name: string, payload: unknown) => void, answer: (name: string, ack: () => unknown) => void) => void;

async function silentMarket(onConnection: OnConnection): Promise<string> {
  const http = createServer();
  const server = new Server(http);
  let count = 0;
  server.of(AGENT_NAMESPACE).on('connection', (socket) => 
    onConnection(++count, (name, payload) => void socket.emit(name, payload), (name, ack) => void socket.on(name, (_: unknown, reply: (ack: unknown) => void) => reply(ack()))),
  );
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  ends.push(() => server.close());
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
}

it('a connection whose proof gets lost is given up and dialled anew', async () => {
  let connections = 0;
  let saysProven: (connection: number) => void = () => undefined;
  const proven = new Promise<number>((resolve) => (saysProven = resolve));
  const backendUrl = await silentMarket((count, send) => {
    connections = count;
    if (count === 2) send('drain_node', {});
  });
  const connection = new Connection({
    backendUrl,
    hostApiKey: 'key',
    nodeId: 'node',
    handlers,
    log: pino({ level: 'silent' }),
    onConnect: () => undefined,
    onProven: () => saysProven(connections),
    onDisconnect: () => undefined,
    proofWithinMs: 200,
  });
  ends.push(() => connection.close());
  connection.open();
  expect(await proven).toBe(2);
  expect(connection.proven).toBe(true);
});

it('a connection over which no answer comes any more is given up and dialled anew', async () => {
  let connections = 0;
  const backendUrl = await silentMarket((count, send, answer) => {
    connections = count;
    send('drain_node', {});
    if (count === 2) answer('heartbeat', () => ({ ok: true, server_time: new Date().toISOString(), next_interval_ms: 500, lease_s: 1800, generation: 1 }));
  });
  const log = pino({ level: 'silent' });
  let heard: () => void = () => undefined;
  const answered = new Promise<void>((resolve) => (heard = resolve));
  const connection: Connection = new Connection({ backendUrl, hostApiKey: 'key', nodeId: NODE, handlers, log, onConnect: () => undefined, onProven: () => heartbeats.start(), onDisconnect: () => heartbeats.stop(), ackWithinMs: 100 });
  const heartbeats = new Heartbeats({ connection, compose: (seq) => ({ node_id: NODE, status: 'online', metrics: { cpu_temp: null, gpu_temp: [], gpu_utilization: [], ram_usage_mb: 1, disk_usage_gb: 1 }, seq }), onAck: () => heard(), log });
  ends.push(() => connection.close(), () => heartbeats.stop());
  connection.open();
  await answered;
  expect(connections).toBe(2);
});

it.each([
  ['is said again while the market asks for that', ['busy', 'busy', 'taken'] as const, 3],
  ['is not said again to a market that will not have it', ['refused', 'taken'] as const, 1],
])('a goodbye %s', async (_, answers, times) => {
  const heard: string[] = [];
  const acks = { busy: { ok: false, problem: makeProblem('unavailable') }, refused: { ok: false, problem: makeProblem('stale_message') }, taken: { ok: true } };
  const backendUrl = await silentMarket((_count, send, answer) => {
    answer('goodbye', () => acks[answers[heard.push('goodbye') - 1] ?? 'taken']);
    send('drain_node', {});
  });
  let proven: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => (proven = resolve));
  const log = pino({ level: 'silent' });
  const connection = new Connection({ backendUrl, hostApiKey: 'key', nodeId: NODE, handlers, log, onConnect: () => undefined, onProven: () => proven(), onDisconnect: () => undefined });
  ends.push(() => connection.close());
  connection.open();
  await ready;
  await sayGoodbye(connection, NODE, 'SIGTERM', log);
  expect(heard).toHaveLength(times);
});
