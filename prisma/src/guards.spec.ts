import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../packages/testkit/src/postgres.js';
import { ACCOUNT_MICRO, insertMarketRows, PAYMENTS_IN, type MarketRows } from '../test/market-rows.js';
import { jobTriggerViolations } from '../test/job-violations.js';
import { refusalOf } from '../test/refusal.js';
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

const refusal = (statement: string): Promise<pg.DatabaseError> => refusalOf(client, statement);

async function column(sql: string): Promise<string[]> {
  return (await client.query<{ name: string }>(sql)).rows.map((row) => row.name);
}

const executions = (...statuses: string[]): string => `ARRAY[${statuses.map((status) => `'${status}'::"ExecutionStatus"`).join(', ')}]`;
/** Guards of an earlier version, each with the migration that put something else in its place. */
const REPLACED = {
  rental_charge_no_overlap: '20261121220000_ledger_speed',
  account_mirrors_to_user: '20261121220000_ledger_speed',
};
const TERMINAL_JOBS = `ARRAY['completed'::"JobStatus", 'failed'::"JobStatus", 'cancelled'::"JobStatus"]`;

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
      account_one_per_kind_of_market: '(("ownerId" IS NULL) AND ("jobId" IS NULL))',
      outbox_unpublished: '("publishedAt" IS NULL)',
      job_open: `(status <> ALL (${TERMINAL_JOBS}))`,
      job_unsettled: `((status = ANY (${TERMINAL_JOBS})) AND (("paidMicro" + "refundedMicro") < "heldMicro"))`,
      execution_one_per_distinct: `((purpose = 'copy'::text) AND ((status = ANY (${executions('leased', 'running', 'reported')})) OR ((status = 'errored'::"ExecutionStatus") AND ("faultBlame" = 'job'::text))))`,
      execution_ready: `(status = 'ready'::"ExecutionStatus")`,
      execution_leases: `(status = ANY (${executions('leased', 'running')}))`,
      execution_of_node: `(status = ANY (${executions('leased', 'running')}))`,
      execution_archive_due: '((manifest IS NOT NULL) AND ("archiveKey" IS NULL))',
      execution_live_of_job: `(status = ANY (${executions('leased', 'running')}))`,
      ledger_entry_unsealed: '(seq IS NULL)',
      maintenance_one_open: '(("endedAt" IS NULL) AND ("cancelledAt" IS NULL))',
      node_finding_open_once: '("clearedAt" IS NULL)',
      rental_telemetry_slot_once: '(("telemetrySlot" IS NOT NULL) AND ("releasedAt" IS NULL))',
    });
  });

  it.each(Object.entries(uniqueViolations))('%s refuses', async (name, violation) => {
    expect((await refusal(violation(rows))).constraint).toBe(name);
  });
});

/** They refuse nothing: tried beside the search. */
const OFFER_TRIGGERS = ['node_new_has_offers', 'node_changes_offers', 'gpu_new_changes_offers', 'gpu_changes_offers', 'gpu_gone_changes_offers'];

describe('triggers', () => {
  it('stand in the catalog, enabled', async () => {
    const found = await column(`SELECT tgname AS name FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'`);
    expect(found.toSorted()).toEqual([...Object.keys({ ...triggerViolations, ...jobTriggerViolations }), 'transfer_moves_balances', 'execution_has_task', ...OFFER_TRIGGERS].toSorted());
  });

  it.each(Object.entries(triggerViolations))('%s refuses', async (_name, violation) => {
    const error = await refusal(violation(rows));
    expect(error.code).toBe('23001');
    expect(error.message).toMatch(/never (changed or )?deleted|changes only through a transfer|starts empty|only by its transfer|only through a charge|where the last one ended|where the bill stands/);
  });

  it('move both balances of a transfer, once, and the balance that a person sees, and write the line of his statement', async () => {
    const accounts = await client.query('SELECT id, balance FROM "LedgerAccount" WHERE balance <> 0 ORDER BY balance');
    expect(accounts.rows).toEqual([{ id: PAYMENTS_IN, balance: String(-ACCOUNT_MICRO) }, { id: rows.prepaidId, balance: String(ACCOUNT_MICRO) }]);
    const user = await client.query('SELECT balance FROM "User" WHERE id = $1', [rows.userId]);
    expect(user.rows).toEqual([{ balance: '25.000000' }]);
    const lines = await client.query('SELECT "userId", amount, type, "transferId", kind FROM "Transaction"');
    expect(lines.rows).toEqual([{ userId: rows.userId, amount: '25.000000', type: 'CREDIT', transferId: rows.transferId, kind: 'grant' }]);
  });

  it('refuse a transfer from or to an account that does not exist, with all others of its statement', async () => {
    const between = (debit: string, credit: string) => `(gen_random_uuid(), '${debit}', '${credit}', 1, 'test')`;
    const nowhere = '00000000-0000-7000-8000-00000000dead';
    const error = await refusal(`INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind) VALUES ${between(PAYMENTS_IN, rows.prepaidId)}, ${between(PAYMENTS_IN, nowhere)}`);
    expect(error.code).toBe('23503');
  });

  it('give both sides of a transfer between people a line of their own', async () => {
    await client.query(`INSERT INTO "LedgerAccount" (id, "ownerId", kind, floor) VALUES ('00000000-0000-7000-8000-0000000000ea', $1, 'earnings', 0)`, [rows.userId]);
    await client.query(`INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind) VALUES ('00000000-0000-7000-8000-0000000000ff', '${rows.prepaidId}', '00000000-0000-7000-8000-0000000000ea', 5, 'test')`);
    const lines = await client.query(`SELECT id, type, amount FROM "Transaction" WHERE kind = 'test' ORDER BY type`);
    expect(lines.rows).toEqual([
      { id: '00000000-0000-7000-9000-0000000000ff', type: 'CREDIT', amount: '0.000005' },
      { id: '00000000-0000-7000-8000-0000000000ff', type: 'DEBIT', amount: '0.000005' },
    ]);
  });

  it('move the bill of a rental to the end of its charge; before the first one it moves with the start', async () => {
    const bill = async () => (await client.query('SELECT "billedThrough", "billedSeconds", "settledMicro" FROM "Rental" WHERE id = $1', [rows.rentalId])).rows;
    expect(await bill()).toEqual([{ billedThrough: new Date('2026-01-01T01:00Z'), billedSeconds: '3000', settledMicro: '83333' }]);
    await client.query(`INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro") VALUES ($1, '2026-01-01T01:00Z', '2026-01-01T01:01Z', 60, 7)`, [rows.rentalId]);
    expect(await bill()).toEqual([{ billedThrough: new Date('2026-01-01T01:01Z'), billedSeconds: '3060', settledMicro: '83340' }]);
    const fresh = await client.query<{ id: string }>(`INSERT INTO "Rental" SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), 'billedThrough', r."startTime", 'billedSeconds', 0, 'settledMicro', 0))).* FROM "Rental" r RETURNING id`);
    const moved = await client.query(`UPDATE "Rental" SET "startTime" = '2026-01-01T00:05Z', "billedThrough" = '2026-01-01T00:05Z' WHERE id = $1`, [fresh.rows[0]?.id]);
    expect(moved.rowCount).toBe(1);
  });

  it.each([
    ['before the bill', '2026-01-01T00:30Z', '2026-01-01T02:00Z'],
    ['after a hole', '2026-01-01T01:00:01Z', '2026-01-01T02:00Z'],
  ])('refuse a charge that begins %s', async (_where, from, to) => {
    const error = await refusal(`INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro") VALUES ('${rows.rentalId}', '${from}', '${to}', 0, 0)`);
    expect(error.message).toBe('a charge begins where the last one ended');
  });

  it('bill a stopped rental for its disk, and take no charge of the other rate', async () => {
    const { rentalId } = rows;
    const chargeOf = (stored: boolean): string =>
      `INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro", stored) VALUES ('${rentalId}', '2026-01-01T01:00Z', '2026-01-01T02:00Z', 3600, 5, ${stored})`;
    await client.query(`UPDATE "Rental" SET status = 'stopping', "storedSince" = "billedThrough" WHERE id = '${rentalId}'`);
    await client.query(chargeOf(true));
    const bill = await client.query('SELECT "billedSeconds", "storedSeconds", "settledMicro" FROM "Rental" WHERE id = $1', [rentalId]);
    expect(bill.rows).toEqual([{ billedSeconds: '3000', storedSeconds: '3600', settledMicro: '83338' }]);
    const whole = `INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro") VALUES ('${rentalId}', '2026-01-01T02:00Z', '2026-01-01T03:00Z', 0, 0)`;
    expect((await refusal(whole)).message).toBe('a charge begins where the last one ended');
  });

  it('refuse a charge for a rental that does not exist', async () => {
    const error = await refusal(`INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro") VALUES (gen_random_uuid(), '2026-01-01T01:00Z', '2026-01-01T02:00Z', 0, 0)`);
    expect(error.message).toBe('a charge begins where the last one ended');
  });

  it('keep a batch of many transfers in balance', async () => {
    await client.query(`INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind)
      SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN '${PAYMENTS_IN}' ELSE '${rows.prepaidId}' END::uuid,
             CASE WHEN n % 2 = 0 THEN '${rows.prepaidId}' ELSE '${PAYMENTS_IN}' END::uuid, n, 'test' FROM generate_series(1, 100) n`);
    const sum = await client.query('SELECT sum(balance)::int AS sum, max(balance)::int AS prepaid FROM "LedgerAccount"');
    expect(sum.rows).toEqual([{ sum: 0, prepaid: ACCOUNT_MICRO + 50 }]);
  });
});

describe('each file of guards', () => {
  const fileOf = (path: string): Promise<string> => readFile(new URL(`../${path}`, import.meta.url), 'utf8');
  const migration = (name: string): Promise<string> => fileOf(`migrations/${name}/migration.sql`);

  it.each([
    ['guards.sql', '20261121000000_init', ['transfer_moves_balances']],
    ['guards-ledger.sql', '20261121220000_ledger_speed', []],
    ['guards-stopped.sql', '20261121223000_stop_and_start', []],
  ])('%s is the tail of %s, and each of its guards is tried here or was replaced later', async (file, folder, provenByWhatItDoes) => {
    const guards = await fileOf(file);
    expect((await migration(folder)).endsWith(guards)).toBe(true);
    const named = [...guards.matchAll(/(?:ADD CONSTRAINT|CREATE UNIQUE INDEX|CREATE TRIGGER) (\w+)/g)].map((match) => match[1] ?? '');
    const known = Object.keys({ ...constraintViolations, ...uniqueViolations, ...triggerViolations, ...REPLACED });
    expect(named.filter((name) => !known.includes(name))).toEqual(provenByWhatItDoes);
  });

  it.each(Object.entries(REPLACED))('%s is dropped by %s, and stands no more', async (name, folder) => {
    expect(await migration(folder)).toMatch(new RegExp(`DROP (?:CONSTRAINT|TRIGGER) ${name}\\b`));
    expect(await column(`SELECT conname AS name FROM pg_constraint UNION ALL SELECT tgname FROM pg_trigger`)).not.toContain(name);
  });
});
