import { createClient, type PrismaClient } from '@muster/prisma';
import { createTestDatabase, type TestDatabase } from '@muster/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeUser } from '../../test/market-fixtures.js';
import { sqlState } from '../platform/db-errors.js';
import { newId } from '../platform/ids.js';
import { balancesOf } from './accounts.store.js';
import { checkLedger } from './check.js';
import { post, TransferConflict } from './ledger.js';
import { earningsOf, PAYMENTS_IN, prepaidOf, type Transfer } from './ledger.rules.js';

let database: TestDatabase;
let db: PrismaClient;
const now = new Date('2026-01-01T00:00:00Z');

beforeAll(async () => {
  database = await createTestDatabase();
  db = createClient({ connectionString: database.url, max: 10 });
});
afterAll(async () => {
  await db.$disconnect();
  await database.drop();
});

const grant = (userId: string, amountMicro: bigint, id = newId()): Transfer => ({ id, from: PAYMENTS_IN, to: prepaidOf(userId), amountMicro, kind: 'grant', referenceId: null, memo: 'test' });
const pay = (from: string, to: string, amountMicro: bigint): Transfer => ({ id: newId(), from: prepaidOf(from), to: earningsOf(to), amountMicro, kind: 'rental', referenceId: null, memo: '' });
const posting = (transfers: Transfer[]) => db.$transaction((tx) => post(tx, transfers, now));

async function lawful(except: string[] = []): Promise<void> {
  const broken = (await checkLedger(db)).filter((check) => !check.ok && !except.includes(check.id));
  expect(broken).toEqual([]);
}

describe('post', () => {
  it('moves balances, mirrors User.balance and writes a line for each person touched', async () => {
    const [renter, host] = await Promise.all([makeUser(db), makeUser(db)]);
    expect(await posting([grant(renter, 5_000_000n)])).toEqual({ posted: 1 });
    await posting([pay(renter, host, 1_234_567n)]);
    expect(await balancesOf(db, renter)).toEqual({ prepaidMicro: 3_765_433n, earningsMicro: 0n });
    expect(await balancesOf(db, host)).toEqual({ prepaidMicro: 0n, earningsMicro: 1_234_567n });
    expect((await db.user.findUniqueOrThrow({ where: { id: renter } })).balance.toFixed(6)).toBe('3.765433');
    const lines = await db.transaction.findMany({ where: { userId: { in: [renter, host] } }, orderBy: { type: 'asc' } });
    expect(lines.map((line) => [line.userId, line.type, line.amount.toFixed(6)])).toEqual(
      expect.arrayContaining([[renter, 'CREDIT', '5.000000'], [renter, 'DEBIT', '1.234567'], [host, 'CREDIT', '1.234567']]),
    );
    expect(lines).toHaveLength(3);
    await lawful(['charges_paid']);
  });

  it('counts a transfer id once, and refuses it with other content', async () => {
    const user = await makeUser(db);
    const first = grant(user, 100n);
    expect(await posting([first, grant(user, 7n)])).toEqual({ posted: 2 });
    expect(await posting([first])).toEqual({ posted: 0 });
    for (const other of [{ ...first, amountMicro: 101n }, { ...first, memo: 'else' }, { ...first, to: earningsOf(user) }, { ...first, referenceId: newId() }]) {
      await expect(posting([grant(user, 50n), other])).rejects.toThrow(TransferConflict);
    }
    expect((await balancesOf(db, user)).prepaidMicro).toBe(107n);
  });

  it('never takes an account below zero', async () => {
    const [renter, host] = await Promise.all([makeUser(db, 100n), makeUser(db)]);
    const error: unknown = await posting([pay(renter, host, 101n)]).catch((cause: unknown) => cause);
    expect(sqlState(error)).toBe('23514');
    expect(await balancesOf(db, renter)).toEqual({ prepaidMicro: 100n, earningsMicro: 0n });
  });

  it('keeps the sums when many write to the same accounts at once', async () => {
    const users = await Promise.all(Array.from({ length: 6 }, () => makeUser(db, 1_000n)));
    const host = await makeUser(db);
    const work = Array.from({ length: 60 }, (_, i) => posting([grant(users[i % 6] ?? '', 10n), pay(users[(i + 1) % 6] ?? '', host, 5n)]));
    await Promise.all(work);
    expect((await balancesOf(db, host)).earningsMicro).toBe(300n);
    const total = (await Promise.all(users.map((user) => balancesOf(db, user)))).reduce((sum, { prepaidMicro }) => sum + prepaidMicro, 0n);
    expect(total).toBe(6_000n + 600n - 300n);
    await lawful(['charges_paid']);
  });
});

describe('check-ledger', () => {
  it('names what is broken, invariant by invariant', async () => {
    const user = await makeUser(db, 500n);
    await db.$executeRaw`ALTER TABLE "User" DISABLE TRIGGER USER`;
    await db.user.update({ where: { id: user }, data: { balance: 1 } });
    await db.$executeRaw`ALTER TABLE "User" ENABLE TRIGGER USER`;
    await db.$executeRaw`ALTER TABLE "Transaction" DISABLE TRIGGER USER`;
    await db.transaction.deleteMany({ where: { userId: user } });
    await db.$executeRaw`ALTER TABLE "Transaction" ENABLE TRIGGER USER`;
    const broken = (await checkLedger(db)).filter((check) => !check.ok).map((check) => check.id);
    expect(broken).toEqual(expect.arrayContaining(['user_balance', 'statement_lines']));
  });
});
