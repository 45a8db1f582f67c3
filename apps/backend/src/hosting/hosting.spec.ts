import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RentalWorld, type Renter } from '../../test/rental-world.js';
import { Prices } from '../market/prices.js';
import { Maintenance } from './maintenance.js';
import { filled, lastHours } from './strip.rules.js';

let world: RentalWorld;
let host: Renter;
let renter: Renter;
let nodeId: string;
let token: string;
beforeAll(async () => {
  world = await RentalWorld.start();
  host = await world.renter(0);
  renter = await world.renter(20);
  nodeId = await world.node({ ownerId: host.id, cpu: 8, ramMb: 16_384, diskGb: 80, gpus: 4 });
  token = (await world.app.makeKey(host, { scopes: ['read', 'host'] })).key;
});
afterAll(() => world.close());

const call = async (name: Parameters<RentalWorld['app']['call']>[0], options: Parameters<RentalWorld['app']['call']>[1] = {}) => (await world.app.call(name, { token, ...options })).body;
const listing = async () => (await world.db.hostNode.findUniqueOrThrow({ where: { id: nodeId } })).listing;
const pass = () => world.app.app.get(Maintenance).pass();
const inHours = (hours: number): string => new Date(world.clock.now().getTime() + hours * 3_600_000).toISOString();

describe('maintenance', () => {
  const params = () => ({ node_id: nodeId });

  it('takes the node off the market for its time and puts it back after it', async () => {
    expect(await call('planMaintenance', { params: params(), body: { from: inHours(1), until: inHours(3), reason: 'new fans' } })).toMatchObject({ state: 'planned', reason: 'new fans' });
    await pass();
    expect(await listing()).toBe('listed');
    world.seconds(3_600);
    await pass();
    expect(await listing()).toBe('maintenance');
    expect((await call('searchOffers')).items).toEqual([]);
    expect(await call('planMaintenance', { params: params(), body: { until: inHours(1), reason: 'sooner' } })).toMatchObject({ state: 'now' });
    world.seconds(3_600);
    await pass();
    expect(await listing()).toBe('listed');
    expect((await call('listMaintenance', { params: params() })).items).toMatchObject([{ state: 'over', reason: 'sooner' }]);
  });

  it('begins at once without a beginning, and ends when it is called off', async () => {
    expect(await call('planMaintenance', { params: params(), body: { until: inHours(2) } })).toMatchObject({ state: 'now' });
    expect(await listing()).toBe('maintenance');
    expect(await call('cancelMaintenance', { params: params() })).toEqual({ cancelled: true });
    expect(await call('cancelMaintenance', { params: params() })).toEqual({ cancelled: false });
    expect(await listing()).toBe('listed');
  });

  it('leaves alone what the host ordered meanwhile', async () => {
    await call('planMaintenance', { params: params(), body: { until: inHours(1) } });
    await call('unlistNode', { params: params() });
    world.seconds(3_601);
    await pass();
    expect(await listing()).toBe('unlisted');
    await call('listNode', { params: params() });
    await world.db.hostNode.update({ where: { id: nodeId }, data: { listing: 'listed' } });
  });

  it.each([
    ['in the past', -2, -1],
    ['before its beginning', 3, 2],
    ['for longer than sixty days', 1, 24 * 61 + 2],
  ])('is refused %s', async (_name, from, until) => {
    expect(await call('planMaintenance', { params: params(), body: { from: inHours(from), until: inHours(until) } })).toMatchObject({ code: 'invalid_request' });
  });
});

describe('what a machine earned and how full it was', () => {
  it('is told per day, and per hour of the last day', async () => {
    const rental = await world.running(renter, `${nodeId}.g2.rtx-4090`);
    await world.pass(1_800, [rental]);
    await world.destroy(renter, rental);
    const { days, total_usd } = await call('listEarnings', { query: { days: 3 } });
    expect(days).toHaveLength(1);
    expect(days[0]).toMatchObject({ node_id: nodeId, jobs_usd: '0.000000', total_usd });
    expect(Number(total_usd)).toBeGreaterThan(0.4);
    expect((await call('listEarnings', { query: { node_id: rental } })).days).toEqual([]);
    const { items } = await call('listUtilisation');
    expect(items).toHaveLength(1);
    expect(items[0].hours).toHaveLength(24);
    expect(Math.max(...items[0].hours.map((hour: { rented: number }) => hour.rented))).toBeGreaterThan(0.1);
    expect((await world.app.call('listUtilisation', { token: renter.key })).body.items).toEqual([]);
  });

  it('of an hour is the part that was used', () => {
    const now = new Date('2026-01-01T12:30:00Z');
    const hours = lastHours(now, 2);
    expect(hours.map((hour) => hour.toISOString())).toEqual(['2026-01-01T11:00:00.000Z', '2026-01-01T12:00:00.000Z']);
    const half = { fromAt: new Date('2026-01-01T11:30:00Z'), toAt: null, share: 0.5 };
    expect(hours.map((hour) => filled(hour, now, [half]))).toEqual([0.25, 0.5]);
    expect(filled(hours[1] ?? now, now, [half, half, half])).toBe(1);
  });
});

describe('prices of the market', () => {
  it('are told per model, with what they were', async () => {
    await world.node({ cpu: 16, gpus: 2, gpuName: 'H100 SXM', pricing: { gpu_dph: '2.000000' } });
    await world.node({ cpu: 16, gpus: 1, gpuName: 'H100 SXM', pricing: { gpu_dph: '3.000000' } });
    const prices = world.app.app.get(Prices);
    await prices.keep();
    world.seconds(3_600);
    await prices.keep();
    const { items } = (await world.app.call('marketPrices', { query: { gpu_name: 'h100_sxm' } })).body;
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({ gpu_name: 'H100 SXM', unit: 'GPU-hour', offers: 3, free: 3, nodes: 2 });
    expect(Number(items[0].min_usd)).toBeGreaterThan(2);
    expect(items[0].histogram.reduce((sum: number, bucket: { nodes: number }) => sum + bucket.nodes, 0)).toBe(2);
    expect(items[0].history).toHaveLength(2);
    expect((await world.app.call('marketPrices', { query: { gpu_name: 'h100_sxm', days: 30 } })).body.items[0].history).toHaveLength(1);
    expect((await world.app.call('marketPrices')).body.items.map((item: { gpu_name: string | null }) => item.gpu_name)).toEqual(expect.arrayContaining(['H100 SXM', 'RTX 4090']));
    expect((await world.app.call('marketPrices', { query: { gpu_name: 'nothing' } })).body.items).toEqual([]);
  });
});
