import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { AGENT_NAMESPACE } from '@muster/shared-types';
import { pino } from 'pino';
import { Server } from 'socket.io';
import { afterEach, expect, it } from 'vitest';
import { Connection, type ServerHandlers } from './connection.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const never = async (): Promise<never> => Promise.reject(new Error('not asked in this test'));
const ok = async () => ({ ok: true as const });
const handlers: ServerHandlers = { challenge: never, desired_state: never, start_instance: never, stop_instance: never, drain_node: ok, tunnel_token: ok, log_request: never };

async function silentMarket(onConnection: (count: number, send: (name: string, payload: unknown) => void) => void): Promise<string> {
  const http = createServer();
  const server = new Server(http);
  let count = 0;
  server.of(AGENT_NAMESPACE).on('connection', (socket) => onConnection(++count, (name, payload) => void socket.emit(name, payload)));
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
