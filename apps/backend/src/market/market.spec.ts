import { OfferId } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RentalWorld, type Renter } from '../../test/rental-world.js';

let world: RentalWorld;
let renter: Renter;
let cheap: string;
let gpus: string;
let own: string;

beforeAll(async () => {
  world = await RentalWorld.start();
  renter = await world.renter(10);
  cheap = await world.node({ cpu: 4, ramMb: 4_096, diskGb: 40, pricing: { cpu_core_dph: '0.001000' } });
  gpus = await world.node({ cpu: 16, ramMb: 65_536, diskGb: 800, gpus: 4, minChunk: 2 });
  own = await world.node({ ownerId: renter.id, cpu: 2, ramMb: 4_096, diskGb: 20 });
  await world.node({ cpu: 8 }).then((hidden) => world.db.hostNode.update({ where: { id: hidden }, data: { presence: 'unreachable' } }));
});
afterAll(() => world.close());

const search = (query: Record<string, string | number> = {}, token?: string) => world.app.call('searchOffers', { query, token });
const ids = async (query: Record<string, string | number> = {}) => (await search(query)).body.items.map((offer: { id: string }) => offer.id);

describe('search', () => {
  it('shows everybody what is listed, verified and online, cheapest first', async () => {
    const { status, body } = await search();
    expect(status).toBe(200);
    expect(body.items.map((offer: { id: string }) => offer.id).sort()).toEqual(
      [`${cheap}.c1`, `${cheap}.c2`, `${cheap}.c4`, `${gpus}.g2.rtx-4090`, `${gpus}.g4.rtx-4090`, `${own}.c1`, `${own}.c2`].sort(),
    );
    const prices = body.items.map((offer: { dph_total: string }) => Number(offer.dph_total));
    expect(prices).toEqual([...prices].sort((a, b) => a - b));
    for (const offer of body.items) expect(OfferId.safeParse(offer.id).success).toBe(true);
  });

  it('shows every fact of a GPU offer in its unit', async () => {
    const { body } = await search({ gpu: '4090', num_gpus: 2 });
    expect(body.items).toHaveLength(1);
    expect(body.items[0]).toMatchObject({
      id: `${gpus}.g2.rtx-4090`, num_gpus: 2, gpu_name: 'RTX 4090', gpu_ram_mb: 24_564, compute_cap: 890, cpu_cores: 8, cpu_ram_mb: 32_768, disk_space: 400, default_disk_gb: 10,
      dph_base: '1.040000', dph_total: '1.041369', storage_cost: '0.100000', reputation: 100, isolation: 'basic', own_node: false,
    });
  });

  it('filters', async () => {
    expect(await ids({ num_gpus: 0, min_cpu_cores: 2, max_price: '0.02' })).toEqual([`${cheap}.c2`]);
    expect(await ids({ min_ram_mb: 40_000 })).toEqual([`${gpus}.g4.rtx-4090`]);
    expect(await ids({ min_reliability: 1, gpu: 'H100' })).toEqual([]);
  });

  it('pages without leaving out or repeating', async () => {
    const all = await ids();
    const seen: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { body } = await search({ limit: 2, ...(cursor ? { cursor } : {}) });
      seen.push(...body.items.map((offer: { id: string }) => offer.id));
      cursor = body.next;
    }
    expect(seen).toEqual(all);
    expect((await search({ cursor: 'nonsense' })).body.code).toBe('invalid_request');
  });

  it('marks the own machine of who asks', async () => {
    const marked = (await search({}, renter.key)).body.items.filter((offer: { own_node: boolean }) => offer.own_node);
    expect(marked.map((offer: { node_id: string }) => offer.node_id)).toEqual([own, own]);
  });
});

describe('a quote', () => {
  it('has every part of the price, what it can cost at most and when it would end', async () => {
    const { body } = await world.quote(renter, `${gpus}.g2.rtx-4090`, { disk_gb: 73, max_spend_usd: '2.1' });
    expect(body.parts).toEqual([
      { name: 'gpu', quantity: 2, unit: 'GPU-hour', unit_price_usd: '0.400000', usd_per_hour: '0.800000' },
      { name: 'cpu', quantity: 8, unit: 'vCPU-hour', unit_price_usd: '0.010000', usd_per_hour: '0.080000' },
      { name: 'ram', quantity: 32, unit: 'GiB-hour', unit_price_usd: '0.005000', usd_per_hour: '0.160000' },
      { name: 'disk', quantity: 73, unit: 'GB-month', unit_price_usd: '0.100000', usd_per_hour: '0.010000' },
    ]);
    expect(body).toMatchObject({ dph_total: '1.050000', available_usd: '10.000000', max_charge_usd: '2.100000', ends_by: 'spend_limit', image_present: true, eta_s: 3 });
    expect(new Date(body.ends_at).getTime() - world.clock.now().getTime()).toBe(7_200_000);
    expect(body.warnings[0]).toMatch(/A stop keeps/);
  });

  it('knows how long earlier starts took', async () => {
    await world.running(renter, `${cheap}.c1`, { disk_gb: 1 });
    expect((await world.quote(renter, `${cheap}.c1`)).body.eta_s).toBe(0);
  });

  it('is refused for what is gone, unknown or too much', async () => {
    expect((await world.quote(renter, `${gpus}.g1.rtx-4090`)).body.code).toBe('offer_gone');
    expect((await world.quote(renter, `${cheap}.c1`, { template: 'nothing' })).body.code).toBe('unknown_template');
    expect((await world.quote(renter, `${cheap}.c1`, { disk_gb: 99 })).body.code).toBe('invalid_request');
    expect((await world.app.call('createQuote', { body: { offer_id: `${cheap}.c1` } })).status).toBe(401);
  });
});

it('lists what can be started', async () => {
  expect((await world.app.call('listTemplates')).body.items).toMatchObject([{ slug: 'workspace', ssh: true, ports: [22, 8888], jupyter_port: 8888 }]);
});

describe('a template of one’s own', () => {
  const made = { slug: 'my-server', title: 'My server', image: 'nginx:1.27', ports: [80], ready_port: 80, env: { A: 'b' } };
  const create = (token: string, body: Record<string, unknown> = {}) => world.app.call('createTemplate', { token, body: { ...made, ...body } });

  it('is seen, quoted and rented by its account alone', async () => {
    const other = await world.renter(10);
    expect(await create(renter.key)).toMatchObject({ status: 201, body: { slug: 'my-server', own: true, env: { A: 'b' }, jupyter_port: null } });
    expect((await create(other.key)).body).toMatchObject({ code: 'template_taken', status: 409 });
    const slugs = async (token?: string) => (await world.app.call('listTemplates', { token })).body.items.map(({ slug }: { slug: string }) => slug);
    expect([await slugs(renter.key), await slugs(other.key), await slugs()]).toEqual([['workspace', 'my-server'], ['workspace'], ['workspace']]);
    expect((await world.quote(renter, `${own}.c1`, { template: 'my-server' })).body).toMatchObject({ template: 'my-server', ssh: false, ports: [80] });
    expect((await world.quote(other, `${own}.c1`, { template: 'my-server' })).body.code).toBe('unknown_template');
    expect((await world.rent(other, `${own}.c1`, { template: 'my-server', expected_dph_total: '0.100000' })).body.code).toBe('unknown_template');
    expect((await world.app.call('replaceTemplate', { token: renter.key, params: { slug: 'my-server' }, body: { title: 'Yours', image: 'nginx:1.28', ssh: true, ports: [22] } })).body).toMatchObject({ title: 'Yours', ready_port: 22, env: {} });
    expect((await world.app.call('replaceTemplate', { token: renter.key, params: { slug: 'workspace' }, body: { title: 'Mine', image: 'x', ssh: true, ports: [22] } })).body.code).toBe('not_found');
    expect((await world.app.call('deleteTemplate', { token: renter.key, params: { slug: 'my-server' } })).status).toBe(200);
    expect(await slugs(renter.key)).toEqual(['workspace']);
  });

  it.each([
    [{ ssh: true }, 'body.ports'],
    [{ ready_port: null }, 'body.ready_port'],
    [{ jupyter_port: 8888 }, 'body.jupyter_port'],
    [{ ports: [80, 80] }, 'body.ports'],
    [{ image: 'no such; image' }, 'body.image'],
    [{ slug: 'Not A Slug' }, 'body.slug'],
  ])('is refused with %o', async (over, path) => expect((await create(renter.key, over)).body).toMatchObject({ code: 'invalid_request', errors: [{ path }] }));
});
