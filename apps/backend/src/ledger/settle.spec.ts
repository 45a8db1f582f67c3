import fc from 'fast-check';
import { createClient, type PrismaClient } from '@muster/prisma';
import { createTestDatabase, type TestDatabase } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeNode, makeRunningRental, makeUser } from '../../test/market-fixtures.js';
import { newId } from '../platform/ids.js';
import { balancesOf } from './accounts.store.js';
import { checkLedger } from './check.js';
import { costOf } from './pricing.rules.js';
import { openRentalsOf } from './running.store.js';
import { chargeThrough } from './settle.rules.js';
import { settleInBatches } from './settle-batches.js';
import { ensureRentalAccounts, lockForSettling, settleLocked, type SettleTarget } from './settle.store.js';
import { dateOfSecond } from './whole-seconds.rules.js';

let database: TestDatabase;
let db: PrismaClient;
let host: string;
let node: string;
const START_S = 1_800_000_000;
const start = dateOfSecond(START_S);

beforeAll(async () => {
  database = await createTestDatabase();
  db = createClient({ connectionString: database.url, max: 10 });
  host = await makeUser(db);
  node = await makeNode(db, { ownerId: host, cpu: 10_000, ramMb: 10_000_000, diskGb: 100_000 });
});
afterAll(async () => {
  await db.$disconnect();
  await database.drop();
});

const settle = (targets: SettleTarget[]) =>
  db.$transaction(async (tx) => {
    const ids = targets.map((target) => target.rentalId);
    await lockForSettling(tx, ids);
    await ensureRentalAccounts(tx, ids);
    return await settleLocked(tx, targets, dateOfSecond(START_S + 100_000));
  });

const line = async (renter: string, rental: string) => {
  const found = (await openRentalsOf(db, renter)).find((open) => open.rentalId === rental);
  if (!found) throw new Error('not open');
  return found.line;
};

describe('settling', () => {
  it('is the arithmetic of the pure rule, whatever the rates, gaps, steps and replays', async () => {
    const gap = fc.record({ at: fc.nat(400), length: fc.integer({ min: 1, max: 90 }) });
    const drawn = fc.record({
      rate: fc.bigInt({ min: 0n, max: 5_000_000n }),
      gaps: fc.array(gap, { maxLength: 3 }),
      steps: fc.array(fc.nat(500), { minLength: 1, maxLength: 5 }),
    });
    const run = async ({ rate, gaps, steps }: { rate: bigint; gaps: { at: number; length: number }[]; steps: number[] }) => {
      const renter = await makeUser(db, 10_000_000n);
      const rental = await makeRunningRental(db, { renterId: renter, nodeId: node, rateMicroHour: rate, startTime: start });
      const stretches = gaps.map((one) => ({ fromS: START_S + one.at, toS: START_S + one.at + one.length }));
      for (const one of stretches) {
        await db.$executeRaw`INSERT INTO "RentalGap" (id, "rentalId", "fromAt", "toAt", cause) VALUES (${newId()}::uuid, ${rental}::uuid, ${dateOfSecond(one.fromS)}, ${dateOfSecond(one.toS)}, 'silent') ON CONFLICT DO NOTHING`;
      }
      const before = await line(renter, rental);
      for (const step of steps) {
        const target = [{ rentalId: rental, throughS: START_S + step }];
        const expected = chargeThrough(await line(renter, rental), START_S + step);
        expect((await settle(target)).amountMicro).toBe(expected?.amountMicro ?? 0n);
        expect(await settle(target)).toEqual({ rentals: 0, amountMicro: 0n });
      }
      const last = START_S + Math.max(...steps);
      const whole = chargeThrough(before, last);
      const after = await line(renter, rental);
      expect(after.settledMicro).toBe(whole?.amountMicro ?? 0n);
      expect(after.billedSeconds).toBe(whole?.seconds ?? 0);
      expect((await balancesOf(db, renter)).prepaidMicro).toBe(10_000_000n - after.settledMicro);
    };
    await fc.assert(fc.asyncProperty(drawn, run), { numRuns: 25 });
    expect((await checkLedger(db)).filter((check) => !check.ok)).toEqual([]);
  });

  it('settles many at once, and racing settlements bill each second once', async () => {
    const renters = await Promise.all(Array.from({ length: 5 }, () => makeUser(db, 50_000_000n)));
    const rentals: string[] = [];
    for (let i = 0; i < 40; i += 1) rentals.push(await makeRunningRental(db, { renterId: renters[i % 5] ?? '', nodeId: node, rateMicroHour: 36_001n, startTime: start }));
    const steps = [100, 3_600, 3_600, 50, 7_201, 7_200];
    await Promise.all(steps.map((step) => settle(rentals.map((rentalId) => ({ rentalId, throughS: START_S + step })))));
    const rows = await db.rental.findMany({ where: { id: { in: rentals } } });
    for (const row of rows) expect([row.billedSeconds, row.settledMicro]).toEqual([7_201n, costOf(36_001n, 7_201)]);
    expect((await checkLedger(db)).filter((check) => !check.ok)).toEqual([]);
  });

  it('settles in batches what can be settled, and says what cannot', async () => {
    const [rich, poor] = [await makeUser(db, 50_000_000n), await makeUser(db, 1n)];
    const rentals: string[] = [];
    for (const renterId of [rich, poor, rich, rich, rich]) rentals.push(await makeRunningRental(db, { renterId, nodeId: node, rateMicroHour: 3_600n, startTime: start }));
    await db.$transaction((tx) => ensureRentalAccounts(tx, rentals));
    const targets = rentals.map((rentalId) => ({ rentalId, throughS: START_S + 10 }));
    const inTwos = (some: SettleTarget[]) => settleInBatches({ client: db }, some, dateOfSecond(START_S + 20), 2);
    await expect(inTwos(targets)).rejects.toThrow();
    expect(await db.rental.count({ where: { id: { in: rentals }, billedSeconds: 10n } })).toBe(3);
    expect(await inTwos(targets.filter((target) => target.rentalId !== rentals[1]))).toEqual({ rentals: 1, amountMicro: 10n });
  });

  it.each([
    ['the end', { status: 'stopping', stopRequestedAt: dateOfSecond(START_S + 10), endTime: dateOfSecond(START_S + 10) }],
    ['the stop of a rental whose end is not known yet', { status: 'stopping', stopRequestedAt: new Date(start.getTime() + 10_900) }],
    ['the deadline', { deadlineAt: dateOfSecond(START_S + 10) }],
  ] as const)('charges nothing past %s that was committed after its target was made', async (_, committed) => {
    const renter = await makeUser(db, 1_000n);
    const rental = await makeRunningRental(db, { renterId: renter, nodeId: node, rateMicroHour: 3_600n, startTime: start });
    await db.rental.update({ where: { id: rental }, data: committed });
    expect(await settle([{ rentalId: rental, throughS: START_S + 11 }])).toEqual({ rentals: 1, amountMicro: 10n });
    expect(await settle([{ rentalId: rental, throughS: START_S + 12 }])).toEqual({ rentals: 0, amountMicro: 0n });
    expect(await db.rental.findUniqueOrThrow({ where: { id: rental } })).toMatchObject({ billedThrough: dateOfSecond(START_S + 10), billedSeconds: 10n });
  });

  it('refuses to take more than the balance', async () => {
    const renter = await makeUser(db, 10n);
    const rental = await makeRunningRental(db, { renterId: renter, nodeId: node, rateMicroHour: 3_600n, startTime: start });
    await expect(settle([{ rentalId: rental, throughS: START_S + 11 }])).rejects.toThrow();
    expect(await settle([{ rentalId: rental, throughS: START_S + 10 }])).toEqual({ rentals: 1, amountMicro: 10n });
  });

  it('moves a free rental on without a transfer', async () => {
    const renter = await makeUser(db);
    const rental = await makeRunningRental(db, { renterId: renter, nodeId: node, rateMicroHour: 0n, startTime: start });
    expect(await settle([{ rentalId: rental, throughS: START_S + 500 }])).toEqual({ rentals: 1, amountMicro: 0n });
    expect(await db.rentalCharge.count({ where: { rentalId: rental, transferId: null, seconds: 500n } })).toBe(1);
  });
});
