import { afterAll, beforeAll, expect, it } from 'vitest';
import { RentalWorld } from '../../test/rental-world.js';
import { BalanceWarnings } from './balance-warnings.js';

let world: RentalWorld;
beforeAll(async () => {
  world = await RentalWorld.start();
});
afterAll(() => world.close());

it('tells a renter at 60, 15 and 5 minutes before what runs is stopped, and at 48, 24 and 2 hours before a disk is deleted, once each', async () => {
  const renter = await world.renter(0.06);
  const id = await world.running(renter, `${await world.node()}.c2`, { disk_gb: 1 });
  const warnings = world.app.app.get(BalanceWarnings);
  const told = async () => {
    await warnings.pass(world.clock.now());
    await warnings.pass(world.clock.now());
    const events = await world.db.outboxEvent.findMany({ where: { name: 'BalanceLow', aggregateId: renter.id }, orderBy: { id: 'asc' } });
    return events.map((event) => (event.payload as { minutes: number }).minutes);
  };
  const minutesLeft = async (minutes: number) => {
    const { zeroAt } = await world.db.user.findUniqueOrThrow({ where: { id: renter.id } });
    world.clock.set(new Date(Number(zeroAt) - minutes * 60_000));
    return await told();
  };
  expect(await minutesLeft(61)).toEqual([]);
  expect(await minutesLeft(60)).toEqual([60]);
  expect(await minutesLeft(30)).toEqual([60]);
  expect(await minutesLeft(14)).toEqual([60, 15]);
  expect(await minutesLeft(1)).toEqual([60, 15, 5]);
  expect(await minutesLeft(0)).toEqual([60, 15, 5]);
  await world.stopped(renter, id);
  expect(await minutesLeft(48 * 60 + 1)).toEqual([60, 15, 5]);
  expect(await minutesLeft(30 * 60)).toEqual([60, 15, 5, 2_880]);
  expect(await minutesLeft(60)).toEqual([60, 15, 5, 2_880, 120]);
  const last = await world.db.outboxEvent.findFirstOrThrow({ where: { name: 'BalanceLow', aggregateId: renter.id }, orderBy: { id: 'desc' } });
  expect(last.payload).toMatchObject({ minutes: 120, deletes_disks: true });
  await world.destroy(renter, id);
});
