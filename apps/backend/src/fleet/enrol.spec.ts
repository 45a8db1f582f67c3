import { enrolStatement } from '@muster/shared-types';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { makeRunningRental } from '../../test/market-fixtures.js';
import { enrolByHand, NodeKey, simulatedGpu, simulatedInventory } from '../../test/simulated-agent.js';
import { Redis } from '../platform/redis.js';

describe('enrolment', () => {
  let app: TestApp;
  let owner: TestAccount;
  let hostKey: string;

  beforeAll(async () => {
    app = await createTestApp();
  });
  afterAll(() => app.close());
  beforeEach(async () => {
    owner = await app.signUp();
    hostKey = (await app.makeKey(owner, { kind: 'host' })).key;
  });

  const show = (nodeId: string, token = owner.token) => app.call('getNode', { token, params: { node_id: nodeId } });

  it('puts a machine that passes its checks on the books, verified and not yet listed', async () => {
    const inventory = simulatedInventory({ gpus: [simulatedGpu(0), simulatedGpu(1)] });
    const { status, body } = await enrolByHand(app, hostKey, { name: 'rig', inventory, geolocation: 'DE' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ name: 'rig', tunnel: { host: '127.0.0.1', port: 7000 }, lease_s: 1800 });
    const node = (await show(body.node_id)).body;
    expect(node).toMatchObject({
      name: 'rig', owner_id: owner.id, lifecycle: 'verified', presence: 'offline', listing: 'unlisted', status: 'offline', tier: 'gpu-consumer', cpu_cores: 16,
      num_gpus: 2, gpu_name: 'RTX 4090', geolocation: 'DE', reputation: 100, min_chunk: 1, active_rentals: 0, earned_usd: '0.000000',
      pricing: { cpu_core_dph: '0.010000', ram_gib_dph: '0.005000', storage_cost: '0.100000', inet_up_cost: '0.000000' },
    });
    expect(node.actions).toEqual(['list', 'drain', 'retire', 'price']);
  });

  it('puts a new machine on the market when asked to, and never changes its listing afterwards', async () => {
    const key = new NodeKey();
    const { node_id: id } = (await enrolByHand(app, hostKey, { key, list: true })).body;
    expect((await show(id)).body.listing).toBe('listed');
    await app.call('unlistNode', { token: owner.token, params: { node_id: id } });
    await enrolByHand(app, hostKey, { key, list: true });
    expect((await show(id)).body.listing).toBe('unlisted');
  });

  it('gives the same node for the same key of the same owner, with the newest inventory', async () => {
    const key = new NodeKey();
    const first = await enrolByHand(app, hostKey, { key, inventory: simulatedInventory({ cpu_cores: 4 }) });
    const again = await enrolByHand(app, hostKey, { key, name: 'renamed', inventory: simulatedInventory({ cpu_cores: 32 }) });
    expect(again.body.node_id).toBe(first.body.node_id);
    expect((await show(first.body.node_id)).body).toMatchObject({ name: 'renamed', cpu_cores: 32 });
  });

  it('lets twenty enrolments of one new key at once make one node', async () => {
    const key = new NodeKey();
    const answers = await Promise.all(Array.from({ length: 20 }, () => enrolByHand(app, hostKey, { key })));
    expect(new Set(answers.map((answer) => answer.body.node_id)).size).toBe(1);
    expect(answers.every((answer) => answer.status === 201)).toBe(true);
  });

  it('refuses a nonce that was used, and one that was made for another owner', async () => {
    const key = new NodeKey();
    const request = (nonce: string) => ({ public_key: key.publicKey, nonce, signature: key.sign(enrolStatement(nonce, key.publicKey)), inventory: simulatedInventory() });
    const { nonce } = (await app.call('createEnrolNonce', { token: hostKey })).body;
    expect((await app.call('enrolNode', { token: hostKey, body: request(nonce) })).status).toBe(201);
    expect((await app.call('enrolNode', { token: hostKey, body: request(nonce) })).body).toMatchObject({ status: 403, code: 'nonce_used' });
    const other = await app.makeKey(await app.signUp(), { kind: 'host' });
    const stolen = (await app.call('createEnrolNonce', { token: hostKey })).body.nonce;
    expect((await app.call('enrolNode', { token: other.key, body: request(stolen) })).body.code).toBe('nonce_used');
  });

  it('refuses a nonce after two minutes', async () => {
    const key = new NodeKey();
    const { nonce } = (await app.call('createEnrolNonce', { token: hostKey })).body;
    const redis = app.app.get(Redis).client;
    expect(await redis.ttl(`enrol-nonce:${nonce}`)).toBeGreaterThan(60);
    expect(await redis.ttl(`enrol-nonce:${nonce}`)).toBeLessThanOrEqual(120);
    await redis.pexpire(`enrol-nonce:${nonce}`, 1);
    await expect.poll(() => redis.exists(`enrol-nonce:${nonce}`)).toBe(0);
    const body = { public_key: key.publicKey, nonce, signature: key.sign(enrolStatement(nonce, key.publicKey)), inventory: simulatedInventory() };
    expect((await app.call('enrolNode', { token: hostKey, body })).body.code).toBe('nonce_used');
  });

  it("refuses another owner's node key", async () => {
    const key = new NodeKey();
    await enrolByHand(app, hostKey, { key });
    const other = await app.makeKey(await app.signUp(), { kind: 'host' });
    expect((await enrolByHand(app, other.key, { key })).body).toMatchObject({ status: 409, code: 'node_key_taken' });
  });

  it('refuses a signature of another key and a small-order key', async () => {
    const { nonce } = (await app.call('createEnrolNonce', { token: hostKey })).body;
    const [mine, other] = [new NodeKey(), new NodeKey()];
    const body = { public_key: mine.publicKey, nonce, signature: other.sign(enrolStatement(nonce, mine.publicKey)), inventory: simulatedInventory() };
    expect((await app.call('enrolNode', { token: hostKey, body })).body.code).toBe('bad_signature');
    const second = (await app.call('createEnrolNonce', { token: hostKey })).body.nonce;
    const identityPoint = Buffer.concat([Buffer.of(1), Buffer.alloc(31)]).toString('base64url');
    const forged = { ...body, public_key: identityPoint, nonce: second, signature: Buffer.concat([Buffer.of(1), Buffer.alloc(63)]).toString('base64url') };
    expect((await app.call('enrolNode', { token: hostKey, body: forged })).body.code).toBe('bad_signature');
  });

  it('refuses a retired key for ever', async () => {
    const key = new NodeKey();
    const { body } = await enrolByHand(app, hostKey, { key });
    const params = { node_id: body.node_id };
    expect((await app.call('retireNode', { token: owner.token, params, body: {} })).body).toMatchObject({ lifecycle: 'retired', status: 'retired', listing: 'unlisted', actions: [] });
    expect((await enrolByHand(app, hostKey, { key })).body).toMatchObject({ status: 409, code: 'action_not_allowed' });
  });

  it('keeps a machine off the market that fails a required check, and says which', async () => {
    const failing = { id: 'engine', title: 'Docker answers', actual: 'no', required: 'yes', operator: 'is' as const, unit: '', status: 'fail' as const, remediation: 'Start it.' };
    const { body } = await enrolByHand(app, hostKey, { inventory: simulatedInventory({ preflight: [failing] }) });
    const params = { node_id: body.node_id };
    expect((await show(body.node_id)).body).toMatchObject({ lifecycle: 'pending_verification', actions: ['drain', 'retire', 'price'] });
    expect((await app.call('listNode', { token: owner.token, params })).body).toMatchObject({ code: 'preflight_failed', hint: 'Start it.', facts: { failed: 'engine' } });
    const noEngine = await enrolByHand(app, hostKey, { inventory: simulatedInventory({ docker: null }) });
    expect((await app.call('listNode', { token: owner.token, params: { node_id: noEngine.body.node_id } })).body.code).toBe('preflight_failed');
  });

  it('lists, unlists, drains and prices, each twice without harm', async () => {
    const { body } = await enrolByHand(app, hostKey);
    const params = { node_id: body.node_id };
    for (const [verb, listing] of [['listNode', 'listed'], ['drainNode', 'draining'], ['unlistNode', 'unlisted']] as const) {
      for (let time = 0; time < 2; time += 1) expect((await app.call(verb, { token: owner.token, params })).body).toMatchObject({ listing });
    }
    const priced = await app.call('priceNode', { token: owner.token, params, body: { cpu_core_dph: '0.5', min_chunk: 4 } });
    expect(priced.body).toMatchObject({ min_chunk: 4, pricing: { cpu_core_dph: '0.500000', ram_gib_dph: '0.005000' } });
    expect((await app.call('priceNode', { token: owner.token, params, body: { min_chunk: 3 } })).status).toBe(422);
  });

  it('pages the nodes of one account only', async () => {
    const mine = await Promise.all(Array.from({ length: 3 }, () => enrolByHand(app, hostKey)));
    const first = (await app.call('listNodes', { token: owner.token, query: { limit: 2 } })).body;
    const second = (await app.call('listNodes', { token: owner.token, query: { limit: 2, cursor: first.next } })).body;
    const ids = [...first.items, ...second.items].map((node: { id: string }) => node.id);
    expect(ids.toSorted()).toEqual(mine.map((answer) => answer.body.node_id).toSorted());
    expect(second.next).toBeNull();
    const stranger = await app.signUp();
    expect((await app.call('listNodes', { token: stranger.token })).body.items).toEqual([]);
    expect((await app.call('getNode', { token: stranger.token, params: { node_id: ids[0] ?? '' } })).status).toBe(404);
  });

  it('never drops a claimed GPU and never counts less than is used', async () => {
    const key = new NodeKey();
    const [kept, gone, free] = [simulatedGpu(0), simulatedGpu(1), simulatedGpu(2)];
    const { body } = await enrolByHand(app, hostKey, { key, inventory: simulatedInventory({ gpus: [kept, gone, free] }) });
    const rentalId = await makeRunningRental(app.db.client, { renterId: owner.id, nodeId: body.node_id, rateMicroHour: 1n, startTime: new Date() });
    await app.db.client.gpu.updateMany({ where: { nodeId: body.node_id, uuid: gone.uuid }, data: { rentalId } });
    await app.db.client.hostNode.update({ where: { id: body.node_id }, data: { cpuUsed: 10 } });
    await enrolByHand(app, hostKey, { key, inventory: simulatedInventory({ cpu_cores: 4, gpus: [kept] }) });
    const node = (await show(body.node_id)).body;
    expect(node.gpus.map((gpu: { uuid: string; state: string }) => [gpu.uuid, gpu.state])).toEqual([[kept.uuid, 'ok'], [gone.uuid, 'lost']]);
    expect(node).toMatchObject({ cpu_cores: 10, used: { cpu_cores: 10, gpus: 1 } });
  });
});
