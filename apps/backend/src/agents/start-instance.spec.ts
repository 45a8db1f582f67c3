import { randomBytes, randomUUID } from 'node:crypto';
import { InstanceSpec, StartInstance } from '@muster/shared-types';
import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestAccount, type TestApp } from '../../test/app.js';
import { fund } from '../../test/market-fixtures.js';
import { SimulatedAgent, simulatedGpu, simulatedInventory } from '../../test/simulated-agent.js';

const deadline = (what: string) => ({ what, deadlineMs: 10_000 });

describe('a rental reaches its machine', () => {
  let app: TestApp;
  let renter: TestAccount;
  let agent: SimulatedAgent;
  let gpuUuids: string[];

  beforeAll(async () => {
    app = await createTestApp();
    renter = await app.signUp();
    await fund(app.db.client, renter.id, 25_000_000n);
    const publicKey = `ssh-ed25519 ${Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), randomBytes(32)]).toString('base64')}`;
    await app.db.client.sshKey.create({ data: { id: randomUUID(), userId: renter.id, name: 'test', publicKey, fingerprint: 'test' } });
    const gpus = [simulatedGpu(0), simulatedGpu(1)];
    gpuUuids = gpus.map((gpu) => gpu.uuid);
    agent = await SimulatedAgent.listed(app, await app.signUp(), { inventory: simulatedInventory({ gpus }) });
    agent.plays = 'stays';
  });
  afterAll(async () => {
    agent.close();
    await app.close();
  });

  const rent = async (numGpus: number): Promise<string> => {
    const offers = (await app.call('searchOffers')).body.items as { id: string; num_gpus: number }[];
    const offer_id = offers.find((offer) => offer.num_gpus === numGpus)?.id;
    const wish = { offer_id, template: 'workspace' };
    const { dph_total } = (await app.call('createQuote', { token: renter.token, body: wish })).body;
    const rented = await app.call('createRental', { token: renter.token, body: { ...wish, expected_dph_total: dph_total, env: { WANDB_MODE: 'offline' } } });
    expect(rented.status, JSON.stringify(rented.body)).toBe(201);
    return rented.body.id;
  };
  const started = (rentalId: string) =>
    waitFor(() => agent.payloads('start_instance').find((frame) => (frame as InstanceSpec).rental_id === rentalId) as Record<string, unknown> | undefined, deadline('start_instance'));

  it('as start_instance with the keys and types of the contract, and our own beside them', async () => {
    const rentalId = await rent(2);
    const frame = await started(rentalId);
    expect(frame).toMatchObject({
      rental_id: rentalId,
      image: 'muster/workspace',
      resource_limits: { gpu_indices: ['0', '1'], cpu_cores: expect.any(Number), ram_limit: expect.stringMatching(/^\d+[mg]$/) },
      env_vars: { WANDB_MODE: 'offline', JUPYTER_TOKEN: expect.any(String) },
      proxy_port_mapping: { '22': expect.any(Number), '8888': expect.any(Number) },
    });
    const contract = ['rental_id', 'image', 'resource_limits', 'env_vars', 'proxy_port_mapping'];
    const added = ['epoch', 'generation', 'spec_hash', 'disk_gb', 'shm_mb', 'ssh', 'command', 'onstart', 'registry_auth', 'lease_s', 'remaining_s'];
    expect(Object.keys(frame).toSorted()).toEqual([...contract, ...added].toSorted());
    expect(Object.keys(frame['resource_limits'] as object).toSorted()).toEqual(['cpu_cores', 'gpu_indices', 'gpu_uuids', 'ram_limit']);
    const parsed = StartInstance.parse(frame);
    expect(parsed.resource_limits.gpu_uuids).toEqual(gpuUuids);
    expect(parsed.ssh?.authorized_keys).toHaveLength(1);
    expect(parsed.generation).toBeGreaterThan(0);
    expect((await agent.beat()).generation).toBe(parsed.generation);
    expect((await app.db.client.hostNode.findUniqueOrThrow({ where: { id: agent.nodeId } })).status).toBe('busy');

    // Its end comes the same way, and only the report of the container's end frees the machine.
    await app.call('destroyRental', { token: renter.token, params: { rental_id: rentalId } });
    const stop = await waitFor(() => agent.payloads('stop_instance')[0] as Record<string, unknown> | undefined, deadline('stop_instance'));
    expect(stop).toMatchObject({ rental_id: rentalId, reason: 'destroyed', grace_s: 10, keep_disk: false });
    expect(stop['generation']).toBeGreaterThan(parsed.generation);
    await waitFor(async () => (await app.db.client.hostNode.findUniqueOrThrow({ where: { id: agent.nodeId } })).status === 'online', deadline('the machine to be free'));
  });

  it('in the desired state of a node that was away when it was rented', async () => {
    agent.socket.disconnect();
    const rentalId = await rent(1);
    await agent.connect();
    const state = agent.payloads('desired_state').at(-1) as { instances: InstanceSpec[]; generation: number };
    expect(state.instances.map((instance) => instance.rental_id)).toEqual([rentalId]);
    expect(InstanceSpec.safeParse(state.instances[0]).success).toBe(true);
  });

  it('and tells nobody else: a report of another node on it is refused', async () => {
    const rental = await app.db.client.rental.findFirstOrThrow({ where: { nodeId: agent.nodeId, releasedAt: null } });
    const other = await SimulatedAgent.listed(app, await app.signUp());
    const answer = await other.send('instance_update', { rental_id: rental.id, epoch: rental.epoch, state: 'gone' });
    expect(answer).toMatchObject({ ok: false, problem: { code: 'not_found' } });
    expect(await app.db.client.rental.findUniqueOrThrow({ where: { id: rental.id } })).toEqual(rental);
    expect((await agent.send('instance_update', { rental_id: rental.id, epoch: rental.epoch + 7, state: 'gone' })).problem.code).toBe('stale_message');
    other.close();
  });
});
