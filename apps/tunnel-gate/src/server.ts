import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Gate } from './gate.js';
import type { Table } from './table.js';
import { TOKEN_ALGORITHMS } from './token.js';

/** A Login is a few kilobytes; its token is 8 KiB at most. */
const MAX_BODY_BYTES = 64 * 1024;

export interface GateServer {
  port: number;
  issuer: string;
  close(): Promise<void>;
}

export interface GateServerParts {
  gate: Gate;
  table: Table;
  /** Called per request: with port 0 the issuer is known only after listening. */
  issuer: () => string;
  backendConnected: () => boolean;
}

/** Listens on loopback only: the gate belongs beside its frps. Rejects when the port is taken. */
export async function listen(parts: GateServerParts, port: number): Promise<GateServer> {
  const server = createServer({ requestTimeout: 5_000, headersTimeout: 5_000 }, (request, response) => {
    respond(parts, request, response).catch((error: unknown) => {
      sendJson(response, parts.gate.failed(error));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return { port: (server.address() as AddressInfo).port, issuer: parts.issuer(), close: () => closeServer(server) };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
  });
}

async function respond(parts: GateServerParts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = (request.url ?? '/').split('?', 1)[0];
  const route = `${request.method ?? 'GET'} ${path}`;
  switch (route) {
    case 'POST /handler':
      return handle(parts.gate, request, response);
    case 'GET /.well-known/openid-configuration':
      return sendJson(response, discovery(parts.issuer()));
    case 'GET /jwks':
      return sendJson(response, parts.table.jwks);
    case 'GET /health':
      return sendJson(response, health(parts));
    case 'GET /metrics':
      response.setHeader('content-type', 'text/plain; version=0.0.4');
      response.end(metrics(parts));
      return;
    default:
      sendJson(response, { error: 'not found' }, 404);
  }
}

async function handle(gate: Gate, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readJson(request);
  if (body.ok) return sendJson(response, await gate.answer(body.value));
  // The rest of an oversized body is not worth reading.
  response.setHeader('connection', 'close');
  sendJson(response, gate.malformed());
}

type Body = { ok: true; value: unknown } | { ok: false };

async function readJson(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return { ok: false };
    chunks.push(chunk);
  }
  try {
    return { ok: true, value: JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown };
  } catch {
    return { ok: false };
  }
}

const discovery = (issuer: string): Record<string, unknown> => ({
  issuer,
  jwks_uri: `${issuer}/jwks`,
  authorization_endpoint: `${issuer}/not-used`,
  token_endpoint: `${issuer}/not-used`,
  response_types_supported: ['id_token'],
  subject_types_supported: ['public'],
  id_token_signing_alg_values_supported: TOKEN_ALGORITHMS,
});

const health = (parts: GateServerParts): Record<string, unknown> => ({
  status: 'ok',
  table_version: parts.table.version,
  nodes: parts.table.size,
  keys: parts.table.jwks.keys.length,
  backend_connected: parts.backendConnected(),
});

function metrics(parts: GateServerParts): string {
  const lines = [...parts.gate.counts].map(([key, count]) => {
    const [op, result] = key.split(' ');
    return `muster_gate_requests_total{op="${op}",result="${result}"} ${count}`;
  });
  return [
    '# TYPE muster_gate_requests_total counter',
    ...lines,
    '# TYPE muster_gate_table_version gauge',
    `muster_gate_table_version ${parts.table.version}`,
    '# TYPE muster_gate_nodes gauge',
    `muster_gate_nodes ${parts.table.size}`,
    '# TYPE muster_gate_backend_connected gauge',
    `muster_gate_backend_connected ${Number(parts.backendConnected())}`,
    '',
  ].join('\n');
}

function sendJson(response: ServerResponse, value: unknown, status = 200): void {
  if (response.headersSent) return;
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}
