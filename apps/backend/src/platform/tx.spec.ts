import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/app.js';
import { brokenConstraint, isTransient, sqlState } from './db-errors.js';
import { newId } from './ids.js';
import { withTx } from './tx.js';

let market: TestApp;
let names: string[];
beforeAll(async () => {
  market = await createTestApp();
  names = [newId(), newId()];
  for (const name of names) await market.db.client.leaderLease.create({ data: { name, holder: 'test', token: newId(), expiresAt: new Date() } });
});
afterAll(() => market.close());

/** Lets two transactions pass together, once; a repeated one goes on alone. */
function barrier(parties: number): () => Promise<void> {
  let open: () => void;
  const opened = new Promise<void>((resolve) => (open = resolve));
  let arrived = 0;
  return async () => {
    arrived += 1;
    if (arrived === parties) open();
    await opened;
  };
}

describe('a transaction', () => {
  it('is repeated as a whole after a deadlock, through the query builder and through raw SQL', async () => {
    for (const raw of [false, true]) {
      const meet = barrier(2);
      let runs = 0;
      const touch = (order: string[], holder: string) =>
        withTx(market.db, async (tx) => {
          runs += 1;
          const take = async (name: string) => {
            if (raw) await tx.$executeRaw`UPDATE "LeaderLease" SET holder = ${holder} WHERE name = ${name}`;
            else await tx.leaderLease.update({ where: { name }, data: { holder } });
          };
          await take(order[0] ?? '');
          await meet();
          await take(order[1] ?? '');
        });
      await Promise.all([touch(names, 'a'), touch(names.toReversed(), 'b')]);
      expect(runs).toBe(3);
    }
  });

  it('is repeated after a serialization failure', async () => {
    const meet = barrier(2);
    let runs = 0;
    const add = () =>
      withTx(
        market.db,
        async (tx) => {
          runs += 1;
          const row = await tx.leaderLease.findUniqueOrThrow({ where: { name: names[0] ?? '' } });
          await meet();
          await tx.leaderLease.update({ where: { name: row.name }, data: { holder: `${row.holder}+` } });
        },
        { isolation: 'Serializable' },
      );
    await market.db.client.leaderLease.update({ where: { name: names[0] ?? '' }, data: { holder: '' } });
    await Promise.all([add(), add()]);
    expect(runs).toBe(3);
    expect((await market.db.client.leaderLease.findUnique({ where: { name: names[0] ?? '' } }))?.holder).toBe('++');
  });

  it('is not repeated after any other failure, and leaves nothing', async () => {
    let runs = 0;
    const failing = withTx(market.db, async (tx) => {
      runs += 1;
      await tx.leaderLease.update({ where: { name: names[0] ?? '' }, data: { holder: 'never' } });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(runs).toBe(1);
    expect((await market.db.client.leaderLease.findUnique({ where: { name: names[0] ?? '' } }))?.holder).not.toBe('never');
  });
});

describe('errors of the driver', () => {
  const errorOf = (work: Promise<unknown>): Promise<unknown> => work.then(() => undefined, (error: unknown) => error);
  const lease = () => ({ name: names[0] ?? '', holder: 'x', token: newId(), expiresAt: new Date() });

  it('name the constraint, through the query builder and through raw SQL', async () => {
    const built = await errorOf(market.db.client.leaderLease.create({ data: lease() }));
    expect(brokenConstraint(built)).toBeDefined();
    const { name, token } = lease();
    const raw = await errorOf(market.db.client.$executeRaw`INSERT INTO "LeaderLease" VALUES (${name}, 'x', ${token}::uuid, now())`);
    expect(brokenConstraint(raw)).toBeDefined();
    expect(isTransient(built) || isTransient(raw)).toBe(false);
  });

  it('carry the SQLSTATE of a broken CHECK', async () => {
    const error = await errorOf(market.db.client.$executeRaw`UPDATE "ControlPlane" SET id = 2`);
    expect(sqlState(error)).toBe('23514');
  });
});
