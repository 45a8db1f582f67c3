import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { RentalWorld } from '../../test/rental-world.js';
import { SimulatedAgent } from '../../test/simulated-agent.js';

let world: RentalWorld;
let agent: SimulatedAgent;
beforeAll(async () => {
  world = await RentalWorld.start({ MUSTER_ROLES: 'api,gateway' });
  agent = await SimulatedAgent.listed(world.app, await world.app.signUp());
});
afterAll(async () => {
  agent.close();
  await world.close();
});

it('over the real socket: rented, started by the agent, reached, beaten for, read, destroyed, released', async () => {
  const renter = await world.renter(25);
  agent.plays = 'stays';
  const { body } = await world.rent(renter, `${agent.nodeId}.c1`);
  const id: string = body.id;
  await waitFor(() => agent.payloads('start_instance').length > 0 || undefined, { what: 'start_instance', deadlineMs: 10_000 });
  expect(agent.payloads('start_instance')[0]).toMatchObject({ rental_id: id, image: 'muster/workspace', resource_limits: { gpu_indices: [], cpu_cores: 1, ram_limit: '4096m' }, epoch: 1 });
  await world.openDoor(id);
  await agent.play(id, 'running');
  const view = await waitFor(async () => {
    const seen = await world.view(renter, id);
    return seen.status === 'running' ? seen : undefined;
  }, { what: 'running', deadlineMs: 30_000 });
  expect(view.connection?.ssh?.port).toBe(view.connection?.ports['22']);
  await waitFor(() => (agent.payloads('desired_state').at(-1) as { instances: { remaining_s: number | null }[] }).instances[0]?.remaining_s ?? undefined, { what: 'the remaining seconds', deadlineMs: 10_000 });

  for (let second = 0; second < 60; second += 5) {
    world.seconds(5);
    await agent.beat();
  }
  const logs = await world.app.call('getRentalLogs', { token: renter.key, params: { rental_id: id } });
  expect(logs).toMatchObject({ status: 200, body: { text: 'hello from the instance\n', truncated: false } });

  await world.destroy(renter, id);
  await waitFor(async () => (await world.view(renter, id)).released || undefined, { what: 'the release', deadlineMs: 10_000 });
  expect(agent.payloads('stop_instance')).toMatchObject([{ rental_id: id, reason: 'destroyed', keep_disk: false }]);
  expect(await world.view(renter, id)).toMatchObject({ status: 'ended', billing: { billed_seconds: 60 } });
  expect((await world.app.call('getRentalLogs', { token: renter.key, params: { rental_id: id } })).body.code).toBe('action_not_allowed');
  expect(await world.broken()).toEqual([]);
});

it('a node that does not answer has no logs, and says so', async () => {
  const renter = await world.renter(25);
  agent.plays = 'stays';
  const { body } = await world.rent(renter, `${agent.nodeId}.c1`);
  await world.report(body.id, 'creating');
  agent.close();
  const { status, body: problem } = await world.app.call('getRentalLogs', { token: renter.key, params: { rental_id: body.id } });
  expect([status, problem.code]).toEqual([503, 'node_unreachable']);
});
