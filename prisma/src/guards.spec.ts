import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../packages/testkit/src/postgres.js';
import { ACCOUNT_MICRO, insertMarketRows, PAYMENTS_IN, type MarketRows } from '../test/market-rows.js';
import { constraintViolations, triggerViolations, uniqueViolations } from '../test/violations.js';

let database: TestDatabase;
let client: pg.Client;
let rows: MarketRows;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

beforeEach(async () => {
  await client.query('BEGIN');
  rows = await insertMarketRows(client);
});

afterEach(async () => {
  await client.query('ROLLBACK');
});

async function refusal(statement: string): Promise<pg.DatabaseError> {
  const outcome: unknown = await client.query(statement).then(() => undefined, (error: unknown) => error);
  if (!(outcome instanceof pg.DatabaseError)) throw new Error(`not refused: ${statement}`, { cause: outcome });
  return outcome;
}

async function column(sql: string): Promise<string[]> {
  return (await client.query<{ name: string }>(sql)).rows.map((row) => row.name);
}

describe('constraints', () => {
  it('stand in the catalog, valid and enforced', async () => {
    const found = await column(`SELECT conname AS name FROM pg_constraint WHERE contype IN ('c', 'x') AND convalidated AND connamespace = 'public'::regnamespace`);
    expect(found).toEqual(expect.arrayContaining(Object.keys(constraintViolations)));
  });

  it.each(Object.entries(constraintViolations))('%s refuses', async (name, violation) => {
    expect((await refusal(violation(rows))).constraint).toBe(name);
  });
});

describe('unique indexes', () => {
  it('stand in the catalog, valid', async () => {
    const found = await column(`SELECT c.relname AS name FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisunique AND i.indisvalid`);
    expect(found).toEqual(expect.arrayContaining(Object.keys(uniqueViolations)));
  });

  it('with a condition kept it', async () => {
    const found = await client.query<{ indexname: string; indexdef: string }>(`SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '% WHERE %'`);
    const conditions = Object.fromEntries(found.rows.map((row) => [row.indexname, row.indexdef.slice(row.indexdef.indexOf(' WHERE ') + 7)]));
    expect(conditions).toEqual({
      node_downtime_one_open: '("toAt" IS NULL)',
      tunnel_port_one_per_container_port: '("rentalId" IS NOT NULL)',
      account_one_per_kind_of_market: '("ownerId" IS NULL)',
      outbox_unpublished: '("publishedAt" IS NULL)',
    });
  });

  it.each(Object.entries(uniqueViolations))('%s refuses', async (name, violation) => {
    expect((await refusal(violation(rows))).constraint).toBe(name);
  });
});

describe('triggers', () => {
  it('stand in the catalog, enabled', async () => {
    const found = await column(`SELECT tgname AS name FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'`);
    expect(found.toSorted()).toEqual([...Object.keys(triggerViolations), 'transfer_moves_balances', 'account_mirrors_to_user'].toSorted());
  });

  it.each(Object.entries(triggerViolations))('%s refuses', async (_name, violation) => {
    const error = await refusal(violation(rows));
    expect(error.code).toBe('23001');
    expect(error.message).toMatch(/never changed or deleted|changes only through a transfer|starts empty/);
  });

  it('move both balances of a transfer, once, and the balance that a person sees', async () => {
    const accounts = await client.query('SELECT id, balance FROM "LedgerAccount" WHERE balance <> 0 ORDER BY balance');
    expect(accounts.rows).toEqual([{ id: PAYMENTS_IN, balance: String(-ACCOUNT_MICRO) }, { id: rows.prepaidId, balance: String(ACCOUNT_MICRO) }]);
    const user = await client.query('SELECT balance FROM "User" WHERE id = $1', [rows.userId]);
    expect(user.rows).toEqual([{ balance: '25.000000' }]);
  });

  it('keep a batch of many transfers in balance', async () => {
    await client.query(`INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind)
      SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN '${PAYMENTS_IN}' ELSE '${rows.prepaidId}' END::uuid,
             CASE WHEN n % 2 = 0 THEN '${rows.prepaidId}' ELSE '${PAYMENTS_IN}' END::uuid, n, 'test' FROM generate_series(1, 100) n`);
    const sum = await client.query('SELECT sum(balance)::int AS sum, max(balance)::int AS prepaid FROM "LedgerAccount"');
    expect(sum.rows).toEqual([{ sum: 0, prepaid: ACCOUNT_MICRO + 50 }]);
  });
});

it('guards.sql is folded into the migrations, and each of its guards is tried here', async () => {
  const guards = await readFile(new URL('../guards.sql', import.meta.url), 'utf8');
  const migration = await readFile(new URL('../migrations/20261121000000_init/migration.sql', import.meta.url), 'utf8');
  expect(migration.endsWith(guards)).toBe(true);
  const named = [...guards.matchAll(/(?:ADD CONSTRAINT|CREATE UNIQUE INDEX|CREATE TRIGGER) (\w+)/g)].map((match) => match[1]);
  const tried = Object.keys({ ...constraintViolations, ...uniqueViolations, ...triggerViolations });
  expect(named.filter((name) => name && !tried.includes(name))).toEqual(['transfer_moves_balances', 'account_mirrors_to_user']);
});
