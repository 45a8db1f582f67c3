import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Db } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { RentalWorld, type Renter } from '../../test/rental-world.js';
import { forgetOld, keepNotifications } from './notifications.store.js';
import { balanceLow, paymentReceived, rentalEnded, type RentalFacts } from './words.rules.js';

let world: RentalWorld;
let renter: Renter;
let other: Renter;
beforeAll(async () => {
  world = await RentalWorld.start();
  [renter, other] = [await world.renter(5), await world.renter(0)];
});
afterAll(() => world.close());

const list = async (who: Renter, query: Record<string, string | number> = {}) => (await world.app.call('listNotifications', { token: who.key, query })).body;
const keep = (eventId: bigint, at = world.clock.now()) => keepNotifications(world.app.app.get(Db).client, eventId, balanceLow(renter.id, 15), at);

describe('notifications', () => {
  it('tell once, however often an event comes', async () => {
    expect(await keep(9_000_001n)).toHaveLength(1);
    expect(await keep(9_000_001n)).toHaveLength(0);
    expect((await list(renter)).items.filter((item: { kind: string }) => item.kind === 'balance_low')).toHaveLength(1);
    expect((await list(other)).items.filter((item: { kind: string }) => item.kind === 'balance_low')).toHaveLength(0);
  });

  it('are read by their own account alone', async () => {
    await keep(9_000_002n);
    const { items, unread } = await list(renter, { state: 'unread' });
    expect(unread).toBe(items.length);
    const ids = [items[0].id];
    expect((await world.app.call('readNotifications', { token: other.key, body: { ids } })).status).toBe(200);
    expect((await list(renter)).unread).toBe(unread);
    expect((await world.app.call('readNotifications', { token: renter.key, body: { ids } })).body).toEqual({ unread: unread - 1 });
    expect((await world.app.call('readNotifications', { token: renter.key, body: {} })).body).toEqual({ unread: 0 });
  });

  it('come in pages, and old ones go', async () => {
    for (const eventId of [9_000_003n, 9_000_004n, 9_000_005n]) await keep(eventId, new Date(world.clock.now().getTime() - 31 * 86_400_000));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null; ) {
      const page: { items: { id: string }[]; next: string | null } = await list(renter, { limit: 2, ...(cursor && { cursor }) });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next;
    }
    expect(new Set(seen).size).toBe(seen.length);
    const count = () => world.db.notification.count({ where: { userId: renter.id } });
    const before = await count();
    expect(seen).toHaveLength(before);
    await world.app.call('readNotifications', { token: renter.key, body: {} });
    await world.db.notification.updateMany({ where: { eventId: { in: [9_000_003n, 9_000_004n] } }, data: { readAt: new Date(world.clock.now().getTime() - 31 * 86_400_000) } });
    await forgetOld(world.db, world.clock.now());
    expect(await count()).toBe(before - 2);
  });
});

describe('words', () => {
  const facts: RentalFacts = { id: newId(), renterId: newId(), hostId: newId(), nodeName: 'ada', offer: '2× RTX 4090', endReason: 'host_lost', faultMessage: null };

  it('tell renter and host of an end, and a person that is both once', () => {
    expect(rentalEnded(facts, true).map(({ userId, kind }) => [userId, kind])).toEqual([[facts.renterId, 'rental_ended'], [facts.hostId, 'hosted_ended']]);
    expect(rentalEnded({ ...facts, hostId: facts.renterId }, true)).toHaveLength(1);
  });
  it('say of one that never ran that nothing was charged, and why', () => {
    const [told] = rentalEnded({ ...facts, endReason: 'start_failed', faultMessage: 'The image could not be downloaded.' }, false);
    expect(told).toMatchObject({ kind: 'rental_failed', message: 'Nothing was charged. The image could not be downloaded.' });
  });
  it('know reasons of later versions', () => expect(rentalEnded({ ...facts, endReason: 'something_new' }, true)[0]?.message).toMatch(/paid for the seconds/));
  it('write amounts as people do', () => expect(paymentReceived(facts.renterId, '12.340000')[0]?.title).toBe('$12.34 was added to your balance'));
});

