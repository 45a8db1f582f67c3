import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createDatabaseAt, type TestDatabase } from '../../packages/testkit/src/postgres.js';
import { PAYMENTS_IN, type MarketRows } from '../test/market-rows.js';
import { refusalOf } from '../test/refusal.js';
import { triggerViolations } from '../test/violations.js';
import { migrateDeploy, migrationChecksums } from './migrate.js';

const id = (end: string): string => `00000000-0000-7000-8000-0000000000${end}`;
/** What `first-version.sql` calls them. */
const ROWS: MarketRows = { userId: id('a1'), nodeId: id('e1'), rentalId: id('f1'), serverId: id('d1'), prepaidId: id('a2'), transferId: '10000000-0000-4000-8000-000000000001' };
const EARNINGS = id('c3');

/** Homes out there were made by exactly these: what they lack comes as a further migration. */
const RELEASED = { '20261121000000_init': '0a679ff098cd60fb914a2fda385a6cedf7d929f1198f97f4e14d94a40b89b38d' };

let database: TestDatabase;
let client: pg.Client;
let before: Content;
let after: Content;

/** Every row of every table that the first version made, with the columns it gave them. */
type Content = Record<string, Record<string, unknown>[]>;

beforeAll(async () => {
  database = await createDatabaseAt('20261121000000_init');
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(await readFile(new URL('../test/first-version.sql', import.meta.url), 'utf8'));
  const columns = await columnsNow();
  before = await contentOf(columns);
  await migrateDeploy(database.url);
  after = await contentOf(columns);
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

beforeEach(async () => void (await client.query('BEGIN')));
afterEach(async () => void (await client.query('ROLLBACK')));

async function columnsNow(): Promise<{ table: string; columns: string }[]> {
  const found = await client.query<{ table: string; columns: string }>(`
    SELECT table_name AS table, string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) AS columns
    FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_prisma_migrations' GROUP BY 1 ORDER BY 1`);
  return found.rows;
}

async function contentOf(tables: readonly { table: string; columns: string }[]): Promise<Content> {
  const content: Content = {};
  for (const { table, columns } of tables) content[table] = (await client.query<Record<string, unknown>>(`SELECT ${columns} FROM "${table}" t ORDER BY t::text`)).rows;
  return content;
}

async function rows(sql: string): Promise<unknown[]> {
  return (await client.query<Record<string, unknown>>(sql)).rows;
}

const charge = (from: string, to: string, seconds: number, micro: number): string =>
  `INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro") VALUES ('${ROWS.rentalId}', '${from}', '${to}', ${seconds}, ${micro})`;

it('released migrations are never changed', async () => {
  expect(Object.fromEntries(await migrationChecksums())).toMatchObject(RELEASED);
});

describe('a market of the first version', () => {
  it('keeps every row through all migrations since, and applies each of them once', async () => {
    expect(after).toEqual(before);
    expect([after['LedgerTransfer'], after['RentalCharge'], after['Rental'], after['Transaction']].map((found) => found?.length)).toEqual([8, 5, 4, 12]);
    const applied = await rows('SELECT migration_name FROM _prisma_migrations WHERE finished_at IS NOT NULL ORDER BY 1');
    expect(applied).toEqual([...(await migrationChecksums()).keys()].map((name) => ({ migration_name: name })));
  });

  it('has its balances, to the micro-dollar', async () => {
    expect(await rows(`SELECT a.kind, split_part(u.email, '@', 1) AS of, a.balance, u.balance AS shown FROM "LedgerAccount" a LEFT JOIN "User" u ON u.id = a."ownerId" ORDER BY a.id`)).toEqual([
      { kind: 'payments_in', of: null, balance: '-34999999', shown: null },
      { kind: 'platform_fee', of: null, balance: '5000', shown: null },
      { kind: 'prepaid', of: 'ada', balance: '24815834', shown: '24.815834' },
      { kind: 'prepaid', of: 'bob', balance: '9999998', shown: '9.999998' },
      { kind: 'prepaid', of: 'hal', balance: '0', shown: '0.000000' },
      { kind: 'earnings', of: 'hal', balance: '179167', shown: '0.000000' },
    ]);
  });

  it('has its charges as chains: each begins where the last one ended, from the first second to where the bill stands', async () => {
    expect(await rows(`
      SELECT r.id FROM "Rental" r LEFT JOIN LATERAL (
        SELECT min("fromAt") AS first, max("toAt") AS last, sum("toAt" - "fromAt") AS length FROM "RentalCharge" c WHERE c."rentalId" = r.id) c ON true
      WHERE (c.first, c.last) IS DISTINCT FROM (r."startTime", r."billedThrough") OR c.length <> c.last - c.first`)).toEqual([]);
  });

  it('goes on: a transfer moves both balances and writes its lines, a charge takes the old bill on', async () => {
    await client.query(`INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind) VALUES ('${id('ff')}', '${ROWS.prepaidId}', '${EARNINGS}', 834, 'rental')`);
    expect(await rows(`SELECT balance FROM "LedgerAccount" WHERE id IN ('${ROWS.prepaidId}', '${EARNINGS}') ORDER BY id`)).toEqual([{ balance: '24815000' }, { balance: '180001' }]);
    expect(await rows(`SELECT balance FROM "User" WHERE id = '${ROWS.userId}'`)).toEqual([{ balance: '24.815000' }]);
    expect(await rows(`SELECT type, amount FROM "Transaction" WHERE "transferId" = '${id('ff')}' ORDER BY type`)).toEqual([{ type: 'CREDIT', amount: '0.000834' }, { type: 'DEBIT', amount: '0.000834' }]);
    await client.query(charge('2026-01-01T02:00:30Z', '2026-01-01T02:01Z', 30, 834));
    expect(await rows(`SELECT "billedThrough", "billedSeconds", "settledMicro" FROM "Rental" WHERE id = '${ROWS.rentalId}'`)).toEqual([
      { billedThrough: new Date('2026-01-01T02:01Z'), billedSeconds: '6660', settledMicro: '185000' },
    ]);
  });

  it.each(Object.entries(triggerViolations))('is under the guard %s', async (_name, violation) => {
    expect((await refusalOf(client, violation(ROWS))).code).toBe('23001');
  });

  it.each([
    ['a second that an old charge billed', charge('2026-01-01T02:00:29Z', '2026-01-01T02:01Z', 31, 0), '23001'],
    ['a hole after an old charge', charge('2026-01-01T02:00:31Z', '2026-01-01T02:01Z', 29, 0), '23001'],
    ['a transfer to an account that does not exist', `INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind) VALUES (gen_random_uuid(), '${PAYMENTS_IN}', '${id('00')}', 1, 'test')`, '23503'],
    ['more than an old balance', `INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind) VALUES (gen_random_uuid(), '${ROWS.prepaidId}', '${EARNINGS}', 24815835, 'test')`, '23514'],
    ['a person whose accounts would lose their owner', `DELETE FROM "User" WHERE id = '${id('b1')}'`, '23001'],
  ])('refuses %s', async (_what, statement, code) => {
    expect((await refusalOf(client, statement)).code).toBe(code);
  });
});
