import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RentalWorld, type Renter } from '../../test/rental-world.js';
import { MasterKey } from '../platform/master-key.js';
import { instancesOfNodes } from './instances-of-node.js';
import { openSecrets } from './rental-secrets.js';

let world: RentalWorld;
beforeAll(async () => {
  world = await RentalWorld.start();
});
afterAll(() => world.close());

describe('rent', () => {
  it('claims capacity and ports, keeps the price, and answers what a client needs', async () => {
    const renter = await world.renter(25);
    const node = await world.node({ cpu: 4, ramMb: 8_192, diskGb: 40 });
    const quote = await world.quote(renter, `${node}.c2`);
    expect(quote.body).toMatchObject({ disk_gb: 10, available_usd: '25.000000', max_charge_usd: '25.000000', ends_by: 'balance', image_present: true, ssh: true, ports: [22, 8888] });
    const { status, body } = await world.rent(renter, `${node}.c2`, { env: { A: '1', LD_PRELOAD: 'x' } });
    expect(status).toBe(201);
    expect(body).toMatchObject({ status: 'pending', phase: null, cpu_cores: 2, ram_mb: 4_096, disk_gb: 10, connection: null, released: false, actions: ['destroy'], start_time: null });
    expect(body.billing).toMatchObject({ dph_total: quote.body.dph_total, cost_usd: '0.000000', deadline_at: null });
    expect(await world.db.hostNode.findUnique({ where: { id: node }, select: { cpuUsed: true, ramMbUsed: true, diskGbUsed: true, generation: true } })).toEqual({ cpuUsed: 2, ramMbUsed: 4_096, diskGbUsed: 10, generation: 1n });
    const { instances, absent } = (await instancesOfNodes(world.db, world.app.app.get(MasterKey), [node], world.clock.now())).get(node) ?? { instances: [], absent: [] };
    expect(absent).toEqual([]);
    expect(instances[0]).toMatchObject({ rental_id: body.id, image: 'muster/workspace', epoch: 1, disk_gb: 10, remaining_s: null, resource_limits: { cpu_cores: 2, ram_limit: '4096m', gpu_uuids: [] } });
    expect(Object.keys(instances[0]?.proxy_port_mapping ?? {})).toEqual(['22', '8888']);
    expect(Object.keys(instances[0]?.env_vars ?? {})).toEqual(['A', 'JUPYTER_TOKEN']);
    expect(instances[0]?.ssh?.host_private_key).toMatch(/BEGIN OPENSSH PRIVATE KEY/);
    expect(instances[0]?.ssh?.authorized_keys).toHaveLength(1);
    const events = await world.app.call('listRentalEvents', { token: renter.key, params: { rental_id: body.id } });
    expect(events.body.items.map((event: { kind: string }) => event.kind).sort()).toEqual(['env', 'rented']);
    expect(JSON.stringify([body, events.body])).not.toContain(instances[0]?.env_vars['JUPYTER_TOKEN'] ?? 'none');
  });

  it('gives the last slot to exactly one of fifty', async () => {
    const node = await world.node({ cpu: 1, ramMb: 2_048, diskGb: 20 });
    const renters = await Promise.all(Array.from({ length: 10 }, () => world.renter(25)));
    const offer = `${node}.c1`;
    const price = (await world.quote(renters[0] as Renter, offer)).body.dph_total;
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => world.rent(renters[i % 10] as Renter, offer, { expected_dph_total: price })));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(1);
    for (const answer of answers.filter((one) => one.status !== 201)) expect(answer).toMatchObject({ status: 409, body: { code: 'offer_gone' } });
    expect(await world.db.rental.count({ where: { nodeId: node } })).toBe(1);
  });

  it('claims GPUs by chunks, and no device twice', async () => {
    const node = await world.node({ cpu: 16, ramMb: 65_536, diskGb: 800, gpus: 8 });
    const renters = await Promise.all(Array.from({ length: 8 }, () => world.renter(25)));
    const answers = await Promise.all(renters.map((renter, i) => world.rent(renter, `${node}.g${[1, 2, 4, 1][i % 4]}.rtx-4090`, { disk_gb: 1 })));
    const won = answers.filter((answer) => answer.status === 201).map((answer) => answer.body);
    const held = await world.db.gpu.findMany({ where: { nodeId: node, rentalId: { not: null } } });
    expect(held).toHaveLength(won.reduce((sum, rental) => sum + rental.num_gpus, 0));
    const { instances } = (await instancesOfNodes(world.db, world.app.app.get(MasterKey), [node], world.clock.now())).get(node) ?? { instances: [], absent: [] };
    const uuids = instances.flatMap((instance) => instance.resource_limits.gpu_uuids);
    expect(new Set(uuids).size).toBe(uuids.length);
    expect(uuids.sort()).toEqual(held.map((gpu) => gpu.uuid).sort());
    expect(await world.broken()).toEqual([]);
  });

  it('replays an Idempotency-Key with the same rental, and refuses it for another body', async () => {
    const renter = await world.renter(25);
    const node = await world.node();
    const headers = { 'idempotency-key': randomUUID() };
    const price = (await world.quote(renter, `${node}.c1`)).body.dph_total;
    const body = { expected_dph_total: price };
    const first = await world.rent(renter, `${node}.c1`, body, headers);
    const again = await world.rent(renter, `${node}.c1`, body, headers);
    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body).toEqual(first.body);
    expect(await world.rent(renter, `${node}.c1`, { ...body, disk_gb: 2 }, headers)).toMatchObject({ status: 422, body: { code: 'idempotency_conflict' } });
    expect(await world.db.rental.count({ where: { renterId: renter.id } })).toBe(1);
  });

  it('promises a balance once, also to fifty at the same time', async () => {
    const node = await world.node({ cpu: 64, ramMb: 65_536, diskGb: 640 });
    // One vCPU with 1 GiB and 10 GB costs $0.016369 an hour: ten minutes of three, and 48 h of their disks, are in $0.21, of four are not.
    const renter = await world.renter(0.21);
    const price = (await world.quote(renter, `${node}.c1`)).body.dph_total;
    expect(price).toBe('0.016369');
    const answers = await Promise.all(Array.from({ length: 50 }, () => world.rent(renter, `${node}.c1`, { expected_dph_total: price })));
    expect(answers.filter((answer) => answer.status === 201)).toHaveLength(3);
    for (const answer of answers.filter((one) => one.status !== 201)) expect(answer).toMatchObject({ status: 402, body: { code: 'insufficient_funds' } });
  });
});

describe('rent is refused', () => {
  let renter: Renter;
  let node: string;
  beforeAll(async () => {
    renter = await world.renter(25);
    node = await world.node();
  });
  const refused = async (body: Record<string, unknown>, who: Renter = renter, offer = `${node}.c1`) => (await world.rent(who, offer, { expected_dph_total: '0.021369', ...body })).body.code;

  it.each([
    ['price_changed', { expected_dph_total: '0.000001' }],
    ['unknown_template', { template: 'nothing' }],
    ['invalid_request', { disk_gb: 11 }],
    ['invalid_request', { run_until: '2001-01-01T00:00:00Z' }],
    ['invalid_request', { ssh_key_ids: [randomUUID()] }],
    ['invalid_request', { max_spent_usd: '1' }],
  ])('%s: %o', async (code, body) => expect(await refused(body)).toBe(code));

  it('when the offer is gone', async () => {
    expect(await refused({}, renter, `${randomUUID()}.c1`)).toBe('offer_gone');
    expect(await refused({}, renter, `${node}.c3`)).toBe('offer_gone');
    await world.db.hostNode.update({ where: { id: node }, data: { listing: 'unlisted' } });
    expect(await refused({})).toBe('offer_gone');
    await world.db.hostNode.update({ where: { id: node }, data: { listing: 'listed' } });
  });

  it('without money, and without an SSH key', async () => {
    expect(await refused({}, await world.renter(0))).toBe('insufficient_funds');
    const keyless = await world.renter(25);
    await world.db.sshKey.deleteMany({ where: { userId: keyless.id } });
    expect(await refused({}, keyless)).toBe('ssh_key_required');
  });

  it('with the key of somebody else', async () => {
    const other = await world.db.sshKey.findFirstOrThrow({ where: { userId: { not: renter.id } } });
    expect(await refused({ ssh_key_ids: [other.id] })).toBe('invalid_request');
  });

  it('when no public port is free, and then nothing stays claimed', async () => {
    await world.db.tunnelPort.updateMany({ where: { rentalId: null }, data: { restUntil: new Date('2999-01-01') } });
    expect(await refused({})).toBe('ports_exhausted');
    await world.db.tunnelPort.updateMany({ where: { rentalId: null }, data: { restUntil: new Date(0) } });
    expect(await world.db.rental.count({ where: { nodeId: node } })).toBe(0);
    expect(await world.broken()).toEqual([]);
  });
});

describe('what others see', () => {
  it('nothing of a rental that is not theirs', async () => {
    const [renter, other] = await Promise.all([world.renter(25), world.renter(25)]);
    const { body } = await world.rent(renter, `${await world.node()}.c1`);
    const params = { rental_id: body.id };
    for (const name of ['getRental', 'getConnection', 'listRentalEvents', 'getRentalLogs', 'destroyRental'] as const) {
      expect(await world.app.call(name, { token: other.key, params })).toMatchObject({ status: 404, body: { code: 'not_found' } });
    }
    expect((await world.app.call('listRentals', { token: other.key })).body.items).toEqual([]);
  });

  it('no way in for a key that may only read', async () => {
    const renter = await world.renter(25);
    const id = await world.running(renter, `${await world.node()}.c1`);
    const reader = await world.app.makeKey(renter, { scopes: ['read'] });
    const seen = await world.app.call('getRental', { token: reader.key, params: { rental_id: id } });
    expect(seen.body).toMatchObject({ status: 'running', connection: null });
    expect((await world.app.call('getConnection', { token: reader.key, params: { rental_id: id } })).status).toBe(403);
    const mine = await world.view(renter, id);
    const secrets = openSecrets(world.app.app.get(MasterKey), (await world.db.rental.findUniqueOrThrow({ where: { id } })).sealedSecrets);
    expect(mine.connection?.jupyter?.token).toBe(secrets.jupyter_token);
    expect(mine.connection?.ssh?.known_hosts).toMatch(/^\[127\.0\.0\.1\]:\d+ ssh-ed25519 \S+$/);
  });
});
