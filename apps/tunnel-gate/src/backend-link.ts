import { io } from 'socket.io-client';
import type { Logger } from 'pino';
import type { z } from 'zod';
import { GATE_NAMESPACE, fieldErrors, gateMessages, makeProblem, type Problem } from '@muster/shared-types';
import type { Table } from './table.js';
import type { TableFile } from './table-file.js';

export interface BackendLink {
  connected: () => boolean;
  close: () => void;
}

type Ack = (answer: { ok: true; version: number } | { ok: false; problem: Problem }) => void;

export interface BackendLinkParts {
  url: string;
  secret: string;
  tunnelServerId: string;
  table: Table;
  file: TableFile;
  log: Logger;
}

/** Dials the backend for as long as the process lives. The gate works the same while nobody answers. */
export function linkBackend(parts: BackendLinkParts): BackendLink {
  const { log, table } = parts;
  const socket = io(`${parts.url}${GATE_NAMESPACE}`, {
    transports: ['websocket'],
    extraHeaders: { authorization: `Bearer ${parts.secret}` },
    auth: { tunnel_server_id: parts.tunnelServerId },
    reconnectionDelay: 250,
    reconnectionDelayMax: 5_000,
    timeout: 5_000,
    forceNew: true,
  });
  let away = false;
  const leave = (why: string): void => {
    if (!away) log.warn({ why }, 'the backend is away; answering from the table at hand');
    away = true;
  };
  socket.on('connect', () => {
    away = false;
    log.info('connected to the backend');
  });
  socket.on('disconnect', (reason) => {
    leave(reason);
    // Socket.IO does not redial by itself after the server has ended the session.
    if (reason === 'io server disconnect') redial(socket);
  });
  socket.on('connect_error', (error) => {
    leave(error.message);
    if (!socket.active) redial(socket);
  });
  on(socket, 'table', gateMessages.table.payload, parts, (payload) => {
    table.replace(payload);
    log.debug({ version: payload.version, nodes: payload.nodes.length }, 'table replaced');
  });
  on(socket, 'table_change', gateMessages.table_change.payload, parts, (payload) => {
    const applied = table.apply(payload);
    log.debug({ version: payload.version, node_id: payload.node_id, applied }, 'table change');
  });
  return {
    connected: () => socket.connected,
    close: () => {
      clearTimeout(redialTimers.get(socket));
      socket.disconnect();
    },
  };
}

type Socket = ReturnType<typeof io>;
const REDIAL_MS = 2_000;
const redialTimers = new WeakMap<Socket, NodeJS.Timeout>();

function redial(socket: Socket): void {
  clearTimeout(redialTimers.get(socket));
  redialTimers.set(
    socket,
    setTimeout(() => socket.connect(), REDIAL_MS),
  );
}

/** Parses, applies in memory at once (so in the order of arrival), acks when it is on disk. Bad input is nacked and changes nothing. */
function on<S extends z.ZodType>(socket: Socket, name: string, schema: S, parts: BackendLinkParts, apply: (payload: z.output<S>) => void): void {
  socket.on(name, (data: unknown, ack?: Ack) => {
    const answer: Ack = typeof ack === 'function' ? ack : () => undefined;
    const parsed = schema.safeParse(data);
    if (!parsed.success) {
      parts.log.warn({ event: name, errors: fieldErrors(parsed.error) }, 'the backend sent a malformed message');
      return answer({ ok: false, problem: makeProblem('invalid_request', { errors: fieldErrors(parsed.error) }) });
    }
    apply(parsed.data);
    parts.file.save(parts.table).then(
      () => answer({ ok: true, version: Math.max(parts.table.version, 0) }),
      (error: unknown) => {
        parts.log.error({ err: error }, 'the table could not be written to disk');
        answer({ ok: false, problem: makeProblem('unavailable', { detail: 'the gate applied the table but could not write it to disk' }) });
      },
    );
  });
}
