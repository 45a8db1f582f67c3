import fc from 'fast-check';
import { byOrder, comparisonsOf, matchesQuery, QUERY_FIELD_NAMES, type Offer, type OrderKey } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyClause } from '../../../../packages/testkit/src/query-samples.js';
import { RentalWorld, type Renter } from '../../test/rental-world.js';
import { OfferBook } from './offer-book.js';
import { searchTable } from './offer-search.store.js';
import { positionOf, readPosition } from './search.rules.js';

let world: RentalWorld;
let renter: Renter;
let gpus: string;
beforeAll(async () => {
  world = await RentalWorld.start();
  renter = await world.renter(10);
  gpus = await world.node({ cpu: 16, ramMb: 65_536, diskGb: 800, gpus: 4 });
  await describeNode(gpus, { driver_version: '535.86.10', cuda_max_good: 1_208, cpu_name: 'EPYC 7763', arch: 'x64' }, 'DE');
  await describeNode(await world.node({ cpu: 8, gpus: 2, gpuName: 'H100 SXM', pricing: { gpu_dph: '1.999999' } }), { driver_version: '550.5', cuda_max_good: 1_204 }, 'NL');
  await describeNode(await world.node({ ownerId: renter.id, cpu: 4, ramMb: 4_000, diskGb: 30 }), { cpu_name: 'node é "1"', isolation: 'full', arch: 'arm64' }, 'US');
  await describeNode(await world.node({ cpu: 2 }), { cpu_name: 'Test CPU' }, null);
});
afterAll(() => world.close());

async function describeNode(id: string, facts: Record<string, unknown>, country: string | null): Promise<void> {
  await world.db.$executeRaw`UPDATE "HostNode" SET specs = specs || ${JSON.stringify(facts)}::jsonb, "locationData" = ${JSON.stringify(country === null ? {} : { country })}::jsonb WHERE id = ${id}::uuid`;
}

const search = (query: Record<string, string | number>, token?: string) => world.app.call('searchOffers', { query, token });
const idsOf = (offers: readonly { id: string }[]) => offers.map(({ id }) => id);

async function pages(query: Record<string, string | number>): Promise<Offer[]> {
  const found: Offer[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const { status, body } = await search({ ...query, ...(cursor && { cursor }) });
    if (status !== 200) throw new Error(JSON.stringify(body));
    found.push(...body.items);
    cursor = body.next;
  }
  return found;
}

describe('the query language', () => {
  it('finds what it says', async () => {
    expect(idsOf((await search({ q: 'gpu_name=rtx_4090 num_gpus>=2 dph_total<=5 geolocation in [DE,NL] driver_version>=535.86' })).body.items)).toEqual([`${gpus}.g2.rtx-4090`, `${gpus}.g4.rtx-4090`]);
    expect(idsOf((await search({ q: 'gpu_name=RTX_4090', gpu: '40-90', num_gpus: 1 })).body.items)).toEqual([`${gpus}.g1.rtx-4090`]);
    expect((await search({ q: 'own_node=true' })).body.items).toEqual([]);
    expect((await search({ q: 'own_node=true' }, renter.key)).body.items).toHaveLength(3);
  });

  it('says where a fault is, and what was probably meant', async () => {
    const { status, body } = await search({ q: 'num_gpus=1 dph_totl<=0.5' });
    expect(status).toBe(422);
    expect(body).toMatchObject({ code: 'invalid_request', errors: [{ path: 'query.q' }], facts: { parameter: 'q', start: '11', end: '19', suggestion: 'dph_total' } });
    expect(body.detail).toBe('At character 12 of q: there is no field dph_totl; did you mean dph_total?');
    expect((await search({ order: 'price' })).body).toMatchObject({ facts: { parameter: 'order', suggestion: 'dph_total' } });
  });

  it('orders as it is told, over pages', async () => {
    const all = await pages({});
    for (const order of ['gpu_name-,dph_total', 'reliability-', 'driver_version,cpu_cores-', 'geolocation,num_gpus-,disk_space']) {
      const keys: OrderKey[] = order.split(',').map((key) => ({ field: key.replace('-', '') as OrderKey['field'], descending: key.endsWith('-') }));
      expect(idsOf(await pages({ order, limit: 2 })), order).toEqual(idsOf(all.toSorted(byOrder(keys))));
    }
    const { next } = (await search({ limit: 1 })).body;
    expect((await search({ limit: 1, cursor: next, order: 'cpu_cores' })).body).toMatchObject({ code: 'invalid_request', errors: [{ path: 'query.cursor' }] });
  });

  it('means in Postgres what it means here', async () => {
    const viewerId = renter.id;
    const find = async (clauses: Parameters<typeof comparisonsOf>[0]['clauses'], order: OrderKey[], limit = 1_000, after?: Offer) =>
      (await searchTable(world.db, { comparisons: comparisonsOf({ clauses }), gpuPlain: null, order, limit, viewerId, after: after && positionAt(order, after) })).offers;
    const all = await find([], []);
    expect(all.length).toBeGreaterThan(9);
    const key = fc.record({ field: fc.constantFrom(...QUERY_FIELD_NAMES.filter((name) => !['own_node', 'rentable', 'verified'].includes(name))), descending: fc.boolean() });
    const asked = fc.record({ clauses: fc.array(anyClause, { maxLength: 3 }), order: fc.uniqueArray(key, { maxLength: 3, selector: ({ field }) => field }), page: fc.integer({ min: 1, max: 5 }) });
    await fc.assert(
      fc.asyncProperty(asked, async ({ clauses, order, page }) => {
        const expected = all.filter((offer) => matchesQuery({ clauses }, offer)).toSorted(byOrder(order));
        const found = await find(clauses, order);
        expect(found).toEqual(expected);
        const at = expected[page];
        if (at) expect(idsOf(await find(clauses, order, 3, at))).toEqual(idsOf(expected.slice(page + 1, page + 5)));
      }),
      { numRuns: 150 },
    );
  });
});

const positionAt = (order: readonly OrderKey[], offer: Offer) => readPosition(positionOf(order, offer), order);

describe('the table of offers', () => {
  const numGpus = async () => (await search({ gpu: 'L40' })).body.items.map((offer: { num_gpus: number }) => offer.num_gpus).toSorted();

  it('follows every change of a node at once, from whatever side it comes', async () => {
    const nodeId = await world.node({ cpu: 16, gpus: 4, gpuName: 'L40' });
    expect(await numGpus()).toEqual([1, 2, 4]);
    await world.db.gpu.updateMany({ where: { nodeId, index: 0 }, data: { state: 'lost' } });
    expect(await numGpus()).toEqual([1, 2]);
    await world.db.gpu.deleteMany({ where: { nodeId, index: { in: [1, 2] } } });
    expect(await numGpus()).toEqual([1]);
    const rented = await world.rent(renter, `${nodeId}.g1.l40`);
    expect([rented.status, await numGpus()]).toEqual([201, []]);
    await world.db.hostNode.update({ where: { id: nodeId }, data: { pricingConfig: { gpu_dph: '0.000001' } } });
    expect(await world.db.offerStale.count()).toBe(1);
    expect(await numGpus()).toEqual([]);
    expect(await world.db.offerStale.count()).toBe(0);
  });

  it('shows a change that committed late', async () => {
    const nodeId = await world.node({ cpu: 2, gpus: 1, gpuName: 'L40' });
    await world.db.$transaction(async (tx) => {
      await tx.hostNode.update({ where: { id: nodeId }, data: { listing: 'unlisted' } });
      expect(await numGpus()).toEqual([1]);
    });
    expect(await numGpus()).toEqual([]);
  });

  it('is not written by heartbeats, generations and what jobs count', async () => {
    await search({});
    await world.db.hostNode.updateMany({ data: { lastHeartbeat: new Date(), totalJobsRun: 5 } });
    await world.db.$executeRaw`UPDATE "HostNode" SET generation = generation + 1, status = status, "connectionEpoch" = 9`;
    expect(await world.db.offerStale.count()).toBe(0);
  });

  it('is made anew for reliability that moved', async () => {
    const shown = async () => (await search({ q: `node_id=${gpus}`, limit: 1 })).body.items[0].reliability;
    expect(await shown()).toBe(1);
    await world.db.nodeDowntime.create({ data: { id: crypto.randomUUID(), nodeId: gpus, fromAt: new Date(world.clock.now().getTime() - 3_600_000), toAt: world.clock.now() } });
    await world.db.hostNode.update({ where: { id: gpus }, data: { registeredAt: new Date(world.clock.now().getTime() - 7_200_000) } });
    await world.app.app.get(OfferBook).markUnreliable();
    expect(await shown()).toBeCloseTo(70 / 130, 5);
  });

  it('serves many at once with one look', async () => {
    await world.db.hostNode.updateMany({ data: { reputationScore: 90 } });
    const answers = await Promise.all(Array.from({ length: 20 }, () => search({ q: 'reputation=90', limit: 1 })));
    for (const { body } of answers) expect(body.items).toHaveLength(1);
  });
});
