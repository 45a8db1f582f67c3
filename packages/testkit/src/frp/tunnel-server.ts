import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Child } from './child.js';
import { findFrp, type FrpBinaries } from './binaries.js';
import { freePort } from '@muster/local-services';
import { freePortRange } from './free-ports.js';
import { TableSource } from './table-source.js';
import { TunnelTokens, type TokenOptions } from './tunnel-tokens.js';
import { until } from './until.js';

const GATE_ENTRY = fileURLToPath(new URL('../../../../apps/tunnel-gate/dist/main.js', import.meta.url));
const SECRET = 'a-secret-of-this-test-alone';
const SERVER_ID = 'test-tunnel-server';

/**
 * A tunnel server made of the real parts: gate and frps as processes on free loopback ports, fed by a `TableSource`.
 * Needs apps/tunnel-gate built. `stop` ends every process and removes the folder.
 */
export class TunnelServerFixture {
  gate!: Child;
  frps!: Child;
  /** PEM of the CA that agents must trust. */
  caPem = '';
  private configPath = '';

  private constructor(
    readonly binaries: FrpBinaries,
    readonly folder: string,
    readonly backend: TableSource,
    readonly tokens: TunnelTokens,
    /** Where nodes log in. */
    readonly port: number,
    private readonly gatePort: number,
    /** Public ports of this server. */
    readonly firstPort: number,
    readonly lastPort: number,
  ) {}

  static async start(portCount = 20): Promise<TunnelServerFixture> {
    const [binaries, tokens, port, gatePort, adminPort, firstPort] = await Promise.all([
      findFrp(), TunnelTokens.create(), freePort(), freePort(), freePort(), freePortRange(portCount),
    ]);
    const folder = await mkdtemp(join(tmpdir(), 'muster-tunnel-'));
    const backend = new TableSource(SECRET, SERVER_ID);
    const fixture = new TunnelServerFixture(binaries, folder, backend, tokens, port, gatePort, firstPort, firstPort + portCount - 1);
    backend.table = { version: 1, jwks: tokens.jwks, nodes: [] };
    try {
      await backend.open();
      await fixture.prepare(adminPort);
      await fixture.startGate();
      await until('the gate has the table', async () => (await fixture.gateHealth()).table_version >= 1);
      await fixture.startFrps();
    } catch (error) {
      await fixture.stop();
      throw error;
    }
    return fixture;
  }

  /** Also `iss` of tokens. */
  get gateUrl(): string {
    return `http://127.0.0.1:${this.gatePort}`;
  }

  token(nodeId: string, options?: TokenOptions): Promise<string> {
    return this.tokens.mint(nodeId, this.gateUrl, options);
  }

  async startGate(): Promise<void> {
    this.gate = Child.start('tunnel gate', process.execPath, [GATE_ENTRY], {
      MUSTER_GATE_PORT: String(this.gatePort),
      MUSTER_GATE_BACKEND_URL: this.backend.url,
      MUSTER_GATE_SECRET: SECRET,
      MUSTER_GATE_STATE_DIR: join(this.folder, 'gate'),
      MUSTER_TUNNEL_SERVER_ID: SERVER_ID,
      MUSTER_LOG_LEVEL: 'debug',
    });
    await until('the gate listens', async () => {
      this.gate.assertRunning();
      return (await fetch(`${this.gateUrl}/health`)).ok;
    });
  }

  async startFrps(): Promise<void> {
    this.frps = Child.start('frps', this.binaries.frps, ['-c', this.configPath], {});
    await until('frps has started', () => {
      this.frps.assertRunning();
      return this.frps.output.includes('frps started successfully');
    });
  }

  async gateHealth(): Promise<{ table_version: number; nodes: number; backend_connected: boolean }> {
    const response = await fetch(`${this.gateUrl}/health`);
    return (await response.json()) as { table_version: number; nodes: number; backend_connected: boolean };
  }

  /** The gate's log lines as objects. */
  gateLog(): Record<string, unknown>[] {
    const lines = this.gate.output.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  async stop(): Promise<void> {
    await (this.frps as Child | undefined)?.signal('SIGKILL');
    await (this.gate as Child | undefined)?.signal('SIGKILL');
    await this.backend.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  private async prepare(adminPort: number): Promise<void> {
    const { stdout } = await promisify(execFile)(process.execPath, [
      GATE_ENTRY, 'prepare-frps',
      '--state', join(this.folder, 'frps'),
      '--bind-port', String(this.port),
      '--gate-port', String(this.gatePort),
      '--admin-port', String(adminPort),
      '--first-port', String(this.firstPort),
      '--last-port', String(this.lastPort),
      // Heartbeats are seen in the log only at this level; tests wait for them instead of sleeping.
      '--log-level', 'debug',
    ]);
    const prepared = JSON.parse(stdout) as { config_path: string; ca_path: string };
    this.configPath = prepared.config_path;
    this.caPem = await readFile(prepared.ca_path, 'utf8');
  }
}
