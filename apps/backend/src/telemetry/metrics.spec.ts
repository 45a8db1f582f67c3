import type { Metrics } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { makeEstate, type Estate } from '../../test/operation-samples.js';
import { simulatedGpu, simulatedInventory, SimulatedAgent } from '../../test/simulated-agent.js';
import { Telemetry } from './telemetry.port.js';

let market: TestApp;
let estate: Estate;
let stranger: TestAccount;

beforeAll(async () => {
  market = await createTestApp();
  estate = await makeEstate(market);
  stranger = await market.signUp();
});
afterAll(() => market.close());

const metrics = (over: object = {}) => ({ cpu_temp: 40, gpu_temp: [], gpu_utilization: [], ram_usage_mb: 1_000, disk_usage_gb: 10, ...over });
const instance = (over: object = {}) => ({ rental_id: estate.rentalId, epoch: 1, state: 'creating' as const, tunnel_up: false, up_s: 0, cpu_percent: 50, ...over });

/** The newest value of a series that has one; asked until it is there, as a page would. */
async function shown(name: 'getRentalMetrics' | 'getNodeMetrics', params: Record<string, string>, series: string, token: string): Promise<number> {
  return await waitFor(async () => {
    const { status, body } = await market.call(name, { token, params });
    expect(status).toBe(200);
    const found = (body as Metrics).series.find((one) => one.name === series);
    return found?.points.findLast(([, value]) => value !== null)?.[1] ?? undefined;
  }, { what: `${series} of ${name}`, deadlineMs: 10_000 });
}

describe('samples of a heartbeat', () => {
  it('are in the chart of its machine, for its owner', async () => {
    await estate.agent.beat({ metrics: metrics({ cpu_temp: 55 }) });
    expect(await shown('getNodeMetrics', { node_id: estate.agent.nodeId }, 'cpu_temp', estate.account.token)).toBeGreaterThan(0);
    expect((await market.call('getNodeMetrics', { token: stranger.token, params: { node_id: estate.agent.nodeId } })).status).toBe(404);
  });

  it('are in the chart of the rental, with every step of the range and nothing from before it', async () => {
    await estate.agent.beat({ metrics: metrics(), instances: [instance()] });
    expect(await shown('getRentalMetrics', { rental_id: estate.rentalId }, 'cpu_percent', estate.account.token)).toBe(50);
    const { body } = await market.call('getRentalMetrics', { token: estate.account.token, params: { rental_id: estate.rentalId }, query: { from: 0 } });
    const { created_at } = (await market.call('getRental', { token: estate.account.token, params: { rental_id: estate.rentalId } })).body;
    const { from, to, step_s, series } = body as Metrics;
    expect(Date.parse(from)).toBeGreaterThan(Date.parse(created_at) - step_s * 1_000);
    for (const one of series) expect(one.points).toHaveLength((Date.parse(to) - Date.parse(from)) / 1_000 / step_s);
    expect((await market.call('getRentalMetrics', { token: stranger.token, params: { rental_id: estate.rentalId } })).status).toBe(404);
  });

  it('of devices and rentals that are not its own are not kept', async () => {
    const owner = await market.signUp();
    const gpu = simulatedGpu(0);
    const own = gpu.uuid;
    const agent = await SimulatedAgent.enrol(market, owner, { inventory: simulatedInventory({ gpus: [gpu] }) });
    await agent.connect();
    await agent.beat({ metrics: metrics({ gpus: [{ uuid: own, temp: 61 }, { uuid: 'GPU-invented', temp: 99 }] }), instances: [instance({ cpu_percent: 7 })] });
    expect(await shown('getNodeMetrics', { node_id: agent.nodeId }, 'temp', owner.token)).toBe(61);
    const { body } = await market.call('getNodeMetrics', { token: owner.token, params: { node_id: agent.nodeId } });
    expect([...new Set((body as Metrics).series.map(({ labels }) => labels['gpu']))].toSorted()).toEqual([own, undefined]);
    expect(await shown('getRentalMetrics', { rental_id: estate.rentalId }, 'cpu_percent', estate.account.token)).toBe(50);
    agent.close();
  });

  it('of an unproven socket speak of no instance', async () => {
    await market.call('heartbeat', { token: estate.hostKey, params: { node_id: estate.agent.nodeId }, body: { node_id: estate.agent.nodeId, status: 'online', metrics: metrics(), instances: [instance({ cpu_percent: 99 })] } });
    await market.app.get(Telemetry).flush();
    expect(await shown('getRentalMetrics', { rental_id: estate.rentalId }, 'cpu_percent', estate.account.token)).toBe(50);
  });

  it('a place among the instances of a machine is one rental’s', async () => {
    const { telemetrySlot } = await market.db.client.rental.findUniqueOrThrow({ where: { id: estate.rentalId } });
    expect(telemetrySlot).toBe(0);
  });

  it('a range that is none is refused', async () => {
    const answer = await market.call('getNodeMetrics', { token: estate.account.token, params: { node_id: estate.agent.nodeId }, query: { step: 0 } });
    expect(answer.status).toBe(422);
  });
});
