import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { createTestApp, type TestApp } from '../../test/app.js';
import { simulatedGpu, simulatedInventory, SimulatedAgent } from '../../test/simulated-agent.js';
import { Presence } from '../fleet/presence.js';
import { Telemetry } from './telemetry.port.js';

const BEATS = 100;
/** What the market writes down of itself, and of what happened before, whether anybody beats or not. */
const OWN = /"(ControlPlane|ControlPlaneOutage|LeaderLease|OutboxEvent|Notification|SigningKey)"/;

describe('steady heartbeats', () => {
  let market: TestApp;
  let agent: SimulatedAgent;
  const statements: string[] = [];
  beforeAll(async () => {
    market = await createTestApp({ env: { MUSTER_ROLES: 'api,gateway' } });
    const owner = await market.signUp();
    const gpu = simulatedGpu(0);
    agent = await SimulatedAgent.enrol(market, owner, { inventory: simulatedInventory({ gpus: [gpu] }) });
    await agent.connect();
    await beatWith(gpu.uuid);
    // Its device was looked up at its first heartbeat.
    await vi.waitUntil(() => market.app.get(Telemetry).counts().waiting + market.app.get(Telemetry).counts().written >= 2, { timeout: 20_000 });
    record();
  });
  afterAll(async () => {
    vi.restoreAllMocks();
    agent?.close();
    await market.close();
  });
  afterEach(() => void statements.splice(0));

  const beatWith = (uuid: string): Promise<unknown> =>
    agent.beat({ metrics: { cpu_temp: 40, gpu_temp: [60], gpu_utilization: [50], ram_usage_mb: 1_000, disk_usage_gb: 10, disk_total_gb: 100, net_rx_bytes: Date.now(), gpus: [{ uuid, index: 0, state: 'ok', temp: 60, utilization: 50, ecc_uncorrected: 0, throttle: [], foreign_processes: 0 }] } });

  /** Every statement that this process sends. */
  function record(): void {
    const send = pg.Client.prototype.query;
    vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (this: pg.Client, ...args: unknown[]) {
      const [first] = args;
      statements.push(typeof first === 'string' ? first : ((first as { text?: string } | null)?.text ?? ''));
      return (send as (...all: unknown[]) => unknown).apply(this, args) as never;
    });
  }
  const ofHeartbeats = (): string[] => statements.filter((text) => !OWN.test(text) && !/^\s*(BEGIN|COMMIT|ROLLBACK|SELECT 1|SET |LISTEN|UNLISTEN)/i.test(text));

  it('send no statement to Postgres', async () => {
    const uuid = agent.inventory.gpus[0]?.uuid ?? '';
    const before = market.app.get(Telemetry).counts().written;
    for (let beat = 0; beat < BEATS; beat += 1) await beatWith(uuid);
    // What is gathered or stored behind an acknowledgement has been by then.
    await market.app.get(Telemetry).flush();
    await sleep(50);
    expect(ofHeartbeats().filter((text) => /\b(INSERT|UPDATE|DELETE)\b/i.test(text))).toEqual([]);
    expect(ofHeartbeats().filter((text) => /"(Gpu|Rental|HostNode|NodeFinding)"/.test(text))).toEqual([]);
    expect(market.app.get(Telemetry).counts().written - before).toBeGreaterThanOrEqual(2 * BEATS);
  });

  it('and one of them all in each minute', async () => {
    await beatWith(agent.inventory.gpus[0]?.uuid ?? '');
    statements.splice(0);
    await market.app.get(Presence).flushLastSeen();
    expect(ofHeartbeats().filter((text) => /\b(INSERT|UPDATE|DELETE)\b/i.test(text))).toEqual([expect.stringMatching(/UPDATE "HostNode"[^]*"lastHeartbeat"/)]);
  });
});
