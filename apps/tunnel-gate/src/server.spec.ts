import { request } from 'node:http';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TunnelTokens } from '@muster/testkit/frp/tunnel-tokens';
import { Gate } from './gate.js';
import { listen, type GateServer } from './server.js';
import { Table } from './table.js';

const NODE = '0199a1b2-0000-7000-8000-000000000001';
const lines: string[] = [];
const log = pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) });
const table = new Table();
let nowMs = 0;
let server: GateServer;
let tokens: TunnelTokens;
let base = '';

beforeAll(async () => {
  tokens = await TunnelTokens.create();
  table.replace({ version: 1, jwks: tokens.jwks, nodes: [{ node_id: NODE, proxies: [{ name: 'p20001', port: 20_001 }] }] });
  const gate = new Gate(table, () => base, log, () => nowMs);
  server = await listen({ gate, table, issuer: () => base, backendConnected: () => false }, 0);
  base = `http://127.0.0.1:${server.port}`;
});

afterAll(() => server.close());

interface Answer {
  reject: boolean;
  reject_reason?: string;
  unchange: boolean;
}

async function post(body: string | Uint8Array): Promise<Answer> {
  nowMs += 1_000;
  const response = await fetch(`${base}/handler?version=0.1.0&op=x`, { method: 'POST', body });
  expect(response.status).toBe(200);
  return (await response.json()) as Answer;
}

const login = async (token: string): Promise<Answer> =>
  post(JSON.stringify({ version: '0.1.0', op: 'Login', content: { version: '0.70.1', user: NODE, client_id: NODE, privilege_key: token, metas: null } }));

describe('the listener', () => {
  it('serves discovery and keys as frps reads them', async () => {
    const discovery = (await (await fetch(`${base}/.well-known/openid-configuration`)).json()) as Record<string, unknown>;
    expect(discovery).toMatchObject({ issuer: base, jwks_uri: `${base}/jwks`, id_token_signing_alg_values_supported: ['EdDSA', 'ES256', 'RS256'] });
    expect(await (await fetch(`${base}/jwks`)).json()).toEqual(tokens.jwks);
  });

  it('listens on loopback only', () => {
    expect(base).toContain('127.0.0.1');
  });

  it('admits a node with its own token and logs no part of it', async () => {
    const token = await tokens.mint(NODE, base);
    expect(await login(token)).toEqual({ reject: false, unchange: true });
    const stranger = await (await TunnelTokens.create()).mint(NODE, base);
    expect(await login(stranger)).toMatchObject({ reject: true, reject_reason: 'the tunnel token is not valid' });
    expect(await login(`${token.slice(0, -4)}AAAA`)).toMatchObject({ reject: true });
    expect(lines.join('\n')).not.toContain(token.slice(0, 40));
    expect(lines.join('\n')).not.toContain(stranger.slice(-40));
  });

  it('refuses a token without signature', async () => {
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${part({ alg: 'none' })}.${part({ sub: NODE, iss: base, aud: 'frps', exp: 9_999_999_999 })}.`;
    expect(await login(unsigned)).toMatchObject({ reject: true, reject_reason: 'the tunnel token is not valid' });
  });

  it('always lets a proxy be closed', async () => {
    expect(await post(JSON.stringify({ op: 'CloseProxy', content: { anything: true } }))).toEqual({ reject: false, unchange: true });
  });

  it('answers 404 elsewhere, counts, and tells its health', async () => {
    expect((await fetch(`${base}/handler`)).status).toBe(404);
    expect((await fetch(`${base}/`)).status).toBe(404);
    expect(await (await fetch(`${base}/health`)).json()).toMatchObject({ status: 'ok', table_version: 1, nodes: 1, backend_connected: false });
    expect(await (await fetch(`${base}/metrics`)).text()).toMatch(/muster_gate_requests_total\{op="Login",result="allowed"\} 1/);
  });
});

describe('whatever comes in', () => {
  const rejected = { reject: true, reject_reason: 'the request is malformed', unchange: true };

  it('bytes are a reject', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(await post(bytes)).toEqual(rejected);
      }),
      { numRuns: 100 },
    );
  });

  it('JSON of any shape, also nearly right, is a reject', async () => {
    const content = fc.oneof(fc.jsonValue(), fc.record({ user: fc.jsonValue(), client_id: fc.jsonValue(), proxy_name: fc.jsonValue(), remote_port: fc.jsonValue() }));
    const body = fc.oneof(fc.jsonValue(), fc.record({ op: fc.constantFrom('Login', 'NewProxy', 'Ping', 'NewUserConn', ''), content }));
    await fc.assert(
      fc.asyncProperty(body, async (value) => {
        expect(await post(JSON.stringify(value))).toMatchObject({ reject: true, unchange: true });
      }),
      { numRuns: 200 },
    );
  });

  it.each(['__proto__', 'constructor', 'toString'])('a proxy named %s is not in the table', async (name) => {
    const content = { user: { user: NODE }, proxy_name: `${NODE}.${name}`, proxy_type: 'tcp', remote_port: 20_001 };
    expect(await post(JSON.stringify({ op: 'NewProxy', content }))).toMatchObject({ reject: true });
  });

  it('a body past the limit is a reject, read no further', async () => {
    const answer = await new Promise<string>((resolve, reject) => {
      const sending = request(`${base}/handler`, { method: 'POST' }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.once('end', () => resolve(text));
      });
      // The gate closes while we still write.
      sending.on('error', (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' || error.code === 'ECONNRESET' ? undefined : reject(error)));
      sending.write(Buffer.alloc(200_000, 'x'));
    });
    expect(JSON.parse(answer)).toEqual(rejected);
    expect((await fetch(`${base}/health`)).ok).toBe(true);
  });

  it('a flood is logged in part and counted whole', async () => {
    nowMs += 10_000;
    const before = lines.length;
    const body = JSON.stringify({ op: 'Login', content: { user: 'flood' } });
    await Promise.all(Array.from({ length: 60 }, () => fetch(`${base}/handler`, { method: 'POST', body })));
    expect(lines.length - before).toBe(20);
    await post(body);
    expect(lines.slice(before).join('\n')).toContain('"omitted":40');
  });
});
