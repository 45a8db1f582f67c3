import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../packages/testkit/src/postgres.js';
import { insertMarketRows, type MarketRows } from '../test/market-rows.js';
import { refusalOf } from '../test/refusal.js';

let database: TestDatabase;
let client: pg.Client;
let rows: MarketRows;

beforeAll(async () => {
  database = await createTestDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  rows = await insertMarketRows(client);
  await client.query(finding('gpu_lost', `'GPU-1'`));
});

afterAll(async () => {
  await client.end();
  await database.drop();
});

const finding = (code: string, gpu: string, severity = 'quarantine', clearedAt = 'NULL'): string =>
  `INSERT INTO "NodeFinding" (id, "nodeId", code, "gpuUuid", severity, message, since, "clearedAt") VALUES (gen_random_uuid(), '${rows.nodeId}', '${code}', ${gpu}, '${severity}', '', '2026-01-01T00:00Z', ${clearedAt})`;

/** For each guard of guards-telemetry.sql statements of which it must refuse the last. */
const violations: Record<string, () => string[]> = {
  node_finding_open_once: () => [finding('gpu_lost', `'GPU-1'`)],
  node_finding_severity: () => [finding('disk_full', 'NULL', 'terrible')],
  node_finding_ends_after_start: () => [finding('disk_full', 'NULL', 'warn', `'2025-12-31T00:00Z'`)],
  rental_telemetry_slot_once: () => [
    `UPDATE "Rental" SET "telemetrySlot" = 0 WHERE id = '${rows.rentalId}'`,
    `INSERT INTO "Rental" SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), 'billedThrough', r."startTime", 'billedSeconds', 0, 'settledMicro', 0))).* FROM "Rental" r`,
  ],
};

it.each(Object.entries(violations))('%s refuses', async (name, statements) => {
  await client.query('BEGIN');
  const all = statements();
  for (const statement of all.slice(0, -1)) await client.query(statement);
  const refused = await refusalOf(client, all.at(-1) ?? '');
  await client.query('ROLLBACK');
  expect(refused.constraint).toBe(name);
});

it('what is over may come again, on each device by itself', async () => {
  await client.query('BEGIN');
  await client.query(finding('gpu_lost', `'GPU-2'`));
  await client.query(`UPDATE "NodeFinding" SET "clearedAt" = now()`);
  await client.query(finding('gpu_lost', `'GPU-1'`));
  await client.query('ROLLBACK');
});

it('guards-telemetry.sql is the tail of its migration, and each of its guards is tried here', async () => {
  const guards = await readFile(new URL('../guards-telemetry.sql', import.meta.url), 'utf8');
  const migration = await readFile(new URL('../migrations/20261121234000_telemetry/migration.sql', import.meta.url), 'utf8');
  expect(migration.endsWith(guards)).toBe(true);
  const named = [...guards.matchAll(/(?:ADD CONSTRAINT|CREATE UNIQUE INDEX|CREATE TRIGGER) (\w+)/g)].map((match) => match[1]);
  expect(named.toSorted()).toEqual(Object.keys(violations).toSorted());
});
