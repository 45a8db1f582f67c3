import { createIo } from '@muster/cli/output/io';
import { readConfig } from '@muster/cli/config';
import { JobsMarket, type DemoAccount } from '@muster/cli/demo/jobs-market';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { Chaos, type ChaosFigures, untilAtRest } from './support/chaos.js';
import { chaosPlan, NODES } from './support/chaos-plan.js';
import { Market } from './support/market.js';
import { obstacle } from './support/obstacle.js';

const OPEN_MS = 600_000;
/** `pnpm --filter @muster/e2e chaos` takes the size of the promise, 200. */
const { JOBS, SEED } = z.object({ JOBS: z.coerce.number().int().positive().default(12), SEED: z.coerce.number().int().default(1) })
  .parse({ JOBS: process.env['MUSTER_CHAOS_JOBS'], SEED: process.env['MUSTER_CHAOS_SEED'] });
const missing = obstacle ?? (process.env['MUSTER_CHAOS_JOBS'] === undefined && process.env['MUSTER_TEST_LONG'] === undefined ? 'needs MUSTER_TEST_LONG=1, or a size: pnpm --filter @muster/e2e chaos' : null);
const RUN_MS = 600_000 + JOBS * 30_000;

const Check = z.object({ id: z.string(), ok: z.boolean(), violations: z.number(), sample: z.array(z.string()) });
const Attempts = z.object({ executions: z.number(), again: z.number(), expired: z.number(), errored: z.number(), old_that_count: z.number() });

describe.skipIf(missing !== null)(`${JOBS} jobs while backend, agents and engines are killed, seed ${SEED}${missing === null ? '' : ` (${missing})`}`, () => {
  const plan = chaosPlan(JOBS, SEED);
  let market: Market;
  let submitter: DemoAccount;
  let chaos: Chaos;
  let db: pg.Client;
  let figures: ChaosFigures;

  beforeAll(async () => {
    market = await Market.open({ nodes: NODES });
    const silent = { write: () => true };
    const jobs = await JobsMarket.open({ config: readConfig(market.env), io: createIo({ stdout: silent, stderr: silent, stdin: {}, noColor: true, self: 'muster' }) });
    await jobs.readyNodes(NODES);
    submitter = await jobs.submitter();
    db = new pg.Client({ connectionString: await market.partEnv('DATABASE_URL') });
    await db.connect();
    chaos = new Chaos(market, submitter, plan);
  }, OPEN_MS);

  afterAll(async () => {
    await db?.end();
    await market?.close();
  }, OPEN_MS);

  it('every job ends, and as it must: with its result, its own fault, or cancelled', async () => {
    figures = await chaos.run().catch((error: unknown) => {
      throw new Error(market.logs(), { cause: error });
    });
    const ended = plan.jobs.map((planned) => chaos.ended.get(planned));
    const shown = ended.map((job) => ({ name: job?.name, ends: job?.status, result: job?.status === 'completed' ? job.result : undefined, faultCode: job?.status === 'failed' ? job.fault?.code : undefined }));
    expect(shown).toEqual(plan.jobs.map(({ body, ends, result, faultCode }) => ({ name: body.name, ends, result: ends === 'completed' ? (result ?? null) : undefined, faultCode })));
  }, RUN_MS);

  it('each was submitted once, however often it was sent', async () => {
    const { rows } = await db.query<{ name: string }>('SELECT name FROM "Job"');
    expect(rows.map((row) => row.name).toSorted()).toEqual(plan.jobs.map(({ body }) => body.name).toSorted());
  });

  it('nothing is left under way or in escrow, no old attempt counts, no execution is paid twice, and every invariant holds', async () => {
    await untilAtRest(db);
    const attempts = Attempts.parse((await db.query(`
      SELECT count(*)::int AS executions, count(*) FILTER (WHERE attempt > 1)::int AS again, count(*) FILTER (WHERE status = 'expired')::int AS expired,
        count(*) FILTER (WHERE status = 'errored' AND "faultBlame" = 'node')::int AS errored,
        count(*) FILTER (WHERE (verdict <> 'none' OR "paidMicro" > 0 OR "reputationDelta" <> 0)
          AND EXISTS (SELECT 1 FROM "JobExecution" o WHERE o."taskId" = e."taskId" AND o.purpose = e.purpose AND o.copy = e.copy AND o.attempt > e.attempt))::int AS old_that_count
      FROM "JobExecution" e`)).rows[0]);
    const { stdout } = await market.cli(['admin', 'check-ledger', '--json']);
    const checks = z.object({ checks: z.array(Check) }).parse(JSON.parse(stdout)).checks;
    console.log(JSON.stringify({ bench: 'chaos', seed: SEED, ...figures, ...attempts, invariants: checks.length, broken: checks.filter((check) => !check.ok).map((check) => check.id) }));
    expect(attempts.old_that_count).toBe(0);
    expect(checks.filter((check) => !check.ok)).toEqual([]);
  }, OPEN_MS);
});
