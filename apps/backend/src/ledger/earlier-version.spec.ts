import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createClient, migrateDeploy, type PrismaClient } from '@muster/prisma';
import { createDatabaseAt, type TestDatabase } from '@muster/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../platform/ids.js';
import { checkLedger } from './check.js';
import { post } from './ledger.js';
import { lockForSettling, settleLocked } from './settle.store.js';

const FIRST_VERSION = join(dirname(createRequire(import.meta.url).resolve('@muster/prisma')), '..', 'test', 'first-version.sql');
/** Ada and her rental, which runs and was settled through 02:00:30, in that file. */
const ADA = '00000000-0000-7000-8000-0000000000a1';
const RENTAL = '00000000-0000-7000-8000-0000000000f1';
const now = new Date('2026-01-01T03:00Z');

let database: TestDatabase;
let db: PrismaClient;

beforeAll(async () => {
  database = await createDatabaseAt('20261121000000_init');
  db = createClient({ connectionString: database.url, max: 2 });
  await db.$executeRawUnsafe(`DO $rows$ BEGIN ${await readFile(FIRST_VERSION, 'utf8')} END $rows$`);
  await migrateDeploy(database.url);
});
afterAll(async () => {
  await db.$disconnect();
  await database.drop();
});

const broken = async () => (await checkLedger(db)).filter((check) => !check.ok);

it('finds nothing wrong with money that the first version wrote', async () => {
  expect(await broken()).toEqual([]);
});

it('goes on settling and posting on top of it', async () => {
  const settled = await db.$transaction(async (tx) => {
    await lockForSettling(tx, [RENTAL]);
    return await settleLocked(tx, [{ rentalId: RENTAL, throughS: now.getTime() / 1_000 }], now);
  });
  // 10,200 s since the first second less the gap: floor(100000 × 10200 / 3600) in all.
  expect(settled).toEqual({ rentals: 1, amountMicro: 283_333n - 184_166n });
  await db.$transaction((tx) => post(tx, [{ id: newId(), from: { ownerId: null, kind: 'payments_in' }, to: { ownerId: ADA, kind: 'prepaid' }, amountMicro: 5n, kind: 'grant', referenceId: null, memo: '' }], now));
  expect((await db.user.findUniqueOrThrow({ where: { id: ADA } })).balance.toString()).toBe('24.716672');
  expect(await broken()).toEqual([]);
});
