import { readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../packages/testkit/src/postgres.js';
import { HASH, insertJobRows, type JobRows } from '../test/job-rows.js';
import { jobConstraintViolations, jobTriggerViolations, jobUniqueViolations } from '../test/job-violations.js';
import { insertMarketRows, type MarketRows } from '../test/market-rows.js';
import { refusalOf } from '../test/refusal.js';

let database: TestDatabase;
let client: pg.Client;
let rows: JobRows & MarketRows;

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
  const market = await insertMarketRows(client);
  rows = { ...market, ...(await insertJobRows(client, market)) };
});

afterEach(async () => {
  await client.query('ROLLBACK');
});

describe('of jobs', () => {
  it.each(Object.entries(jobConstraintViolations))('the constraint %s refuses', async (name, violation) => {
    expect((await refusalOf(client, violation(rows))).constraint).toBe(name);
  });

  it.each(Object.entries(jobUniqueViolations))('the unique index %s refuses', async (name, violation) => {
    expect((await refusalOf(client, violation(rows))).constraint).toBe(name);
  });

  it.each(Object.entries(jobTriggerViolations))('the trigger %s refuses', async (_name, violation) => {
    const error = await refusalOf(client, violation(rows));
    expect(error.code).toBe('23001');
    expect(error.message).toMatch(/never changed or deleted|changes only by its seal/);
  });

  it('an expired copy makes room for the next attempt on the same owner, and for nobody else’s', async () => {
    await client.query(`UPDATE "JobExecution" SET status = 'expired' WHERE id = $1`, [rows.leasedId]);
    const again = await client.query(`UPDATE "JobExecution" SET status = 'leased', "nodeId" = $2, "ownerId" = o."ownerId", "distinctKey" = o."distinctKey", "startedAt" = now(), "leaseUntil" = now()
      FROM "JobExecution" o WHERE o.id = $3 AND "JobExecution".id = $1`, [rows.readyId, rows.nodeId, rows.leasedId]);
    expect(again.rowCount).toBe(1);
  });

  it('a second run on the same node is no second vote, so it may share the key', async () => {
    const recheck = await client.query(`INSERT INTO "JobExecution" (id, "jobId", "taskId", copy, purpose, "nodeId", "ownerId", "distinctKey", status, "startedAt", "resultHash")
      SELECT gen_random_uuid(), "jobId", "taskId", copy, 'recheck', "nodeId", "ownerId", "distinctKey", status, "startedAt", '${HASH}' FROM "JobExecution" WHERE id = $1`, [rows.reportedId]);
    expect(recheck.rowCount).toBe(1);
  });

  it.each([
    ['a task that is not there', () => 'gen_random_uuid()', () => `'${rows.jobId}'`],
    ['a task of another job', () => `'${rows.taskId}'`, () => 'gen_random_uuid()'],
  ])('no copy names %s', async (_what, task, job) => {
    const error = await refusalOf(client, `INSERT INTO "JobExecution" (id, "jobId", "taskId", copy) VALUES (gen_random_uuid(), ${job()}, ${task()}, 9)`);
    expect(error.code).toBe('23503');
  });

  it('an entry takes its seal once, and nothing else with it', async () => {
    const fresh = await client.query<{ id: string }>(`INSERT INTO "LedgerEntry" (id, "eventType", credits) VALUES (gen_random_uuid(), 'job_held', 1) RETURNING id`);
    const entry = fresh.rows[0]?.id ?? '';
    const seal = `seq = 2, "prevHash" = '${HASH}', hash = '${HASH}', signature = 's'`;
    await client.query('SAVEPOINT before');
    expect((await refusalOf(client, `UPDATE "LedgerEntry" SET ${seal}, credits = 2 WHERE id = '${entry}'`)).message).toMatch(/only by its seal/);
    await client.query('ROLLBACK TO before');
    expect((await client.query(`UPDATE "LedgerEntry" SET ${seal} WHERE id = $1`, [entry])).rowCount).toBe(1);
  });
});

it.each([
  ['guards-jobs.sql', '20261121200000_jobs', ['execution_has_task']],
  ['guards-decided.sql', '20261121225000_decided_stays', []],
])('%s is the tail of %s, and each of its guards is tried here', async (file, folder, provenByWhatItDoes) => {
  const guards = await readFile(new URL(`../${file}`, import.meta.url), 'utf8');
  const migration = await readFile(new URL(`../migrations/${folder}/migration.sql`, import.meta.url), 'utf8');
  expect(migration.endsWith(guards)).toBe(true);
  const named = [...guards.matchAll(/(?:ADD CONSTRAINT|CREATE UNIQUE INDEX|CREATE TRIGGER) (\w+)/g)].map((match) => match[1]);
  const tried = Object.keys({ ...jobConstraintViolations, ...jobUniqueViolations, ...jobTriggerViolations });
  expect(named.filter((name) => name && !tried.includes(name))).toEqual(provenByWhatItDoes);
});
