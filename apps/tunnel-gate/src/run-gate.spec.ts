import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TableSource } from '@muster/testkit/frp/table-source';
import { until } from '@muster/testkit/frp/until';
import { loadConfig, type GateConfig } from './config.js';
import { runGate, type RunningGate } from './run-gate.js';

const NODE = '0199a1b2-0000-7000-8000-000000000001';
const SECRET = 'a-secret-of-sixteen-or-more';
const log = pino({ level: 'silent' });
const proxies = [{ name: 'p20001', port: 20_001 }];

let folder = '';
let backend: TableSource;
let config: GateConfig;
const gates: RunningGate[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-gate-'));
  backend = new TableSource(SECRET, 'server-1');
  backend.table = { version: 7, jwks: { keys: [] }, nodes: [{ node_id: NODE, proxies }] };
  await backend.open();
  config = loadConfig({
    MUSTER_GATE_PORT: '0',
    MUSTER_GATE_BACKEND_URL: backend.url,
    MUSTER_GATE_SECRET: SECRET,
    MUSTER_GATE_STATE_DIR: join(folder, 'state'),
    MUSTER_TUNNEL_SERVER_ID: 'server-1',
  });
});

afterEach(async () => {
  await Promise.all(gates.splice(0).map((gate) => gate.stop()));
  await backend.close();
  await rm(folder, { recursive: true, force: true });
});

async function start(over: Partial<GateConfig> = {}): Promise<RunningGate> {
  const gate = await runGate({ ...config, ...over }, log);
  gates.push(gate);
  return gate;
}

interface Health {
  table_version: number;
  nodes: number;
  backend_connected: boolean;
}
const health = async (gate: RunningGate): Promise<Health> => (await (await fetch(`${gate.issuer}/health`)).json()) as Health;
const hasVersion = (gate: RunningGate, version: number): Promise<true> =>
  until(`version ${version}`, async () => (await health(gate)).table_version === version || undefined);

/** May the node open its one proxy? */
async function admits(gate: RunningGate, node = NODE): Promise<boolean> {
  const content = { user: { user: node }, proxy_name: `${node}.p20001`, proxy_type: 'tcp', remote_port: 20_001 };
  const response = await fetch(`${gate.issuer}/handler?op=NewProxy`, { method: 'POST', body: JSON.stringify({ op: 'NewProxy', content }) });
  return !((await response.json()) as { reject: boolean }).reject;
}

describe('the table', () => {
  it('comes from the backend, follows its changes and lies on disk before the answer', async () => {
    const gate = await start();
    await hasVersion(gate, 7);
    expect(await admits(gate)).toBe(true);
    expect(await backend.change(NODE, null)).toEqual({ ok: true, version: 8 });
    expect(await admits(gate)).toBe(false);
    const path = join(folder, 'state', 'table.json');
    expect(JSON.parse(await readFile(path, 'utf8'))).toEqual(backend.table);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('is kept over a restart without the backend', async () => {
    const first = await start();
    await hasVersion(first, 7);
    await backend.change(NODE, proxies);
    await gates.pop()?.stop();
    await backend.close();
    const second = await start();
    expect(await health(second)).toMatchObject({ table_version: 8, nodes: 1, backend_connected: false });
    expect(await admits(second)).toBe(true);
  });

  it('is empty when the disk holds rubbish, until the backend sends it; the rubbish is kept', async () => {
    await (await start()).stop();
    await backend.close();
    const path = join(folder, 'state', 'table.json');
    await writeFile(path, '{"version": 1, "no');
    const gate = await start();
    expect(await admits(gate)).toBe(false);
    expect(await readFile(`${path}.unreadable`, 'utf8')).toContain('"no');
    await backend.open();
    await hasVersion(gate, 7);
  });

  it('survives many changes at once', async () => {
    const gate = await start();
    await hasVersion(gate, 7);
    const answers = await Promise.all(Array.from({ length: 200 }, () => backend.change(NODE, proxies)));
    expect(answers.every((answer) => answer?.ok)).toBe(true);
    expect(await health(gate)).toMatchObject({ table_version: 207 });
    expect(JSON.parse(await readFile(join(folder, 'state', 'table.json'), 'utf8'))).toMatchObject({ version: 207 });
  });

  it('takes nothing malformed and nothing old', async () => {
    const gate = await start();
    await hasVersion(gate, 7);
    const bad = [null, 'x', 7, [], {}, { version: -1, jwks: { keys: [] }, nodes: [] }, { version: 9, node_id: 'not-a-uuid', proxies: [] }, { version: 9, node_id: NODE, proxies: [{ name: 'p', port: 70_000 }] }];
    for (const payload of bad) {
      expect(await backend.emit('table', payload)).toMatchObject({ ok: false, problem: { code: 'invalid_request' } });
      expect(await backend.emit('table_change', payload)).toMatchObject({ ok: false, problem: { code: 'invalid_request' } });
    }
    expect(await backend.emit('table_change', { version: 7, node_id: NODE, proxies: null })).toEqual({ ok: true, version: 7 });
    expect(await admits(gate)).toBe(true);
  });
});

describe('the backend', () => {
  it('is found again after it was away', async () => {
    const gate = await start();
    await until('connected', async () => (await health(gate)).backend_connected);
    await backend.close();
    await until('noticed', async () => !(await health(gate)).backend_connected);
    backend.table = { ...backend.table, version: 9 };
    await backend.open();
    await hasVersion(gate, 9);
  });

  it('that refuses our secret does not stop the gate, and is asked again', async () => {
    const gate = await start({ secret: 'another-secret-altogether' });
    expect(await health(gate)).toMatchObject({ table_version: -1, backend_connected: false });
    const port = Number(new URL(backend.url).port);
    await backend.close();
    const other = new TableSource('another-secret-altogether', 'server-1', port);
    other.table = backend.table;
    await other.open();
    await hasVersion(gate, 7);
    await other.close();
  });
});

describe('loadConfig', () => {
  it('names every variable that is wrong, with an example', () => {
    expect(() => loadConfig({ MUSTER_GATE_PORT: 'seven', MUSTER_GATE_SECRET: 'short' })).toThrow(
      /MUSTER_GATE_PORT: .*7080[\s\S]*MUSTER_GATE_BACKEND_URL: .*8080[\s\S]*MUSTER_GATE_SECRET[\s\S]*MUSTER_GATE_STATE_DIR[\s\S]*MUSTER_TUNNEL_SERVER_ID/,
    );
  });
});
