import { readFile } from 'node:fs/promises';
import { Prisma } from '@muster/prisma';
import { waitFor } from '@muster/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { JobWorld } from '../../test/job-world.js';
import { checkLedger } from './check.js';
import { JOB_INVARIANTS } from './check-jobs.js';
import { VERDICT_INVARIANTS } from './check-verdicts.js';

/** Each question of the operator is asked of a market in which its very answer was planted, past every guard. */
let world: JobWorld;
/** A job that three agreed on but for one, and one on which nobody agreed, twice over. */
let agreed: string;
let disputed: string;

beforeAll(async () => {
  world = await JobWorld.start();
  const [liar] = world.agents;
  if (liar) liar.runs = () => 'a lie\n';
  agreed = (await world.ended((await world.submit({ consensus: 2, max_copies: 3 })).id)).id;
  for (const [n, agent] of world.agents.entries()) agent.runs = () => `${n}\n`;
  disputed = (await world.ended((await world.submit({ max_copies: 3 })).id, 'failed')).id;
  await waitFor(async () => {
    const open = await world.app.db.client.jobExecution.count({ where: { status: { in: ['ready', 'leased', 'running'] } } });
    const escrows = await world.app.db.client.ledgerAccount.count({ where: { jobId: { not: null }, balance: { gt: 0 } } });
    return open + escrows === 0 || undefined;
  }, { what: 'a market at rest', deadlineMs: 60_000 });
});
afterAll(() => world?.close());

const OTHER = 'b'.repeat(64);
const HOUR_AGO = `now() - interval '1 hour'`;
const inJob = (table: string, set: string, where = 'true', job = agreed): string =>
  `UPDATE "${table}" SET ${set} WHERE "${table === 'Job' ? 'id' : 'jobId'}" = '${job}' AND ${where}`;
/** Another run beside one of the agreed job's, with these columns. */
const twin = (columns: string, where: string): string =>
  `INSERT INTO "JobExecution" SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid(), 'distinctKey', gen_random_uuid(), ${columns}))).*
   FROM "JobExecution" e WHERE e."jobId" = '${agreed}' AND ${where} LIMIT 1`;
const reopened = (job = agreed): string[] => [inJob('Job', `status = 'running', "completedAt" = NULL`, 'true', job), inJob('Task', `status = 'open'`, 'true', job)];
const noOutage = `DELETE FROM "ControlPlaneOutage"`;
const VALID = `verdict IN ('valid', 'late_valid')`;

type Plant = () => string[];
const PLANTS: Record<string, Plant[]> = {
  job_escrow: [() => [inJob('Job', '"refundedMicro" = "refundedMicro" - 1')]],
  job_settled: [() => [inJob('Job', `"completedAt" = ${HOUR_AGO}`), inJob('JobExecution', `"completedAt" = ${HOUR_AGO}`), inJob('LedgerAccount', 'balance = 5')]],
  executions_paid: [
    () => [inJob('JobExecution', '"paidMicro" = "paidMicro" + 1', VALID)],
    () => ['ALTER TABLE "JobExecution" DROP CONSTRAINT execution_paid_is_valid', inJob('JobExecution', '"paidMicro" = 1', `verdict = 'invalid'`)],
  ],
  copy_paid_once: [() => [twin(`'attempt', 2`, VALID)], () => [inJob('Job', `"submittedBy" = (SELECT "ownerId" FROM "JobExecution" WHERE "jobId" = '${agreed}' AND "paidMicro" > 0 LIMIT 1)`)]],
  copies_distinct: [() => ['DROP INDEX execution_one_per_distinct', inJob('JobExecution', `"distinctKey" = '${world.submitter.id}', "ownerId" = '${world.submitter.id}'`)]],
  results_agreed: [() => [inJob('Task', `"resultHash" = '${OTHER}'`)], () => [inJob('Job', 'consensus = 3')]],
  earned: [() => [`UPDATE "HostNode" SET "creditsEarned" = "creditsEarned" + 1`], () => [`DELETE FROM "LedgerEntry" WHERE "eventType" = 'execution_paid'`]],
  claims: [() => [`UPDATE "HostNode" SET "cpuUsed" = 1`]],
  old_attempts: [
    () => [twin(`'attempt', 2, 'verdict', 'none', 'paidMicro', 0, 'status', 'unneeded'`, VALID)],
    () => [...reopened(), inJob('Task', `"canonicalId" = NULL`), twin(`'attempt', 2, 'verdict', 'none', 'paidMicro', 0, 'status', 'ready'`, 'true')],
  ],
  final_stays: [() => [inJob('Task', `"resultHash" = '${OTHER}'`)], () => [inJob('Task', `status = 'failed'`)]],
  votes_as_a_set: [
    () => [inJob('JobExecution', `verdict = 'valid'`, `verdict = 'invalid'`)],
    () => [inJob('JobExecution', `verdict = 'none', "paidMicro" = 0`, VALID)],
    () => [inJob('JobExecution', `verdict = 'valid'`, `purpose = 'recheck'`, disputed)],
    () => [twin(`'copy', 8`, `verdict = 'invalid'`), twin(`'copy', 9`, `verdict = 'invalid'`), twin(`'copy', 10`, `verdict = 'invalid'`), inJob('Task', `"decidedAt" = now()`)],
  ],
  leases_come_back: [
    () => [noOutage, inJob('JobExecution', `status = 'leased', verdict = 'none', "paidMicro" = 0, "leaseUntil" = ${HOUR_AGO}`, VALID)],
    () => [...reopened(), inJob('JobExecution', `status = 'expired', verdict = 'none', "paidMicro" = 0`)],
  ],
  nothing_starves: [
    () => [noOutage, ...reopened(), inJob('JobExecution', `status = 'ready', verdict = 'none', "paidMicro" = 0, "createdAt" = ${HOUR_AGO}, "completedAt" = ${HOUR_AGO}`)],
    () => reopened(),
  ],
  name_from_agreement: [
    () => [`UPDATE "HostNode" SET "successfulJobsRun" = "successfulJobsRun" + 1, "totalJobsRun" = "totalJobsRun" + 1`],
    () => [`UPDATE "HostNode" SET "failedJobs" = 0`],
    () => [`UPDATE "ReputationEvent" SET delta = 5 WHERE delta = -10`],
    () => [`DELETE FROM "ReputationEvent" WHERE "dedupeKey" LIKE 'execution:%'`],
    () => [`INSERT INTO "ReputationEvent" (id, "nodeId", delta, reason, "dedupeKey") SELECT gen_random_uuid(), id, 5, 'planted', 'execution:' || gen_random_uuid() FROM "HostNode"`],
    () => [inJob('Job', `"submittedBy" = (SELECT "ownerId" FROM "JobExecution" WHERE "jobId" = '${agreed}' AND "paidMicro" > 0 LIMIT 1)`)],
  ],
  rechecks_of_all: [
    () => [`DELETE FROM "JobExecution" WHERE id = (SELECT id FROM "JobExecution" WHERE purpose = 'recheck' LIMIT 1)`],
    () => [inJob('JobExecution', '"reputationDelta" = 5', `purpose = 'recheck'`, disputed)],
    () => [inJob('JobExecution', `"nodeId" = (SELECT "nodeId" FROM "JobExecution" e WHERE e."jobId" = '${disputed}' AND e.copy = 0 AND e.purpose = 'copy')`, `purpose = 'recheck' AND copy = 1`, disputed)],
  ],
};

class Undone extends Error {}

/** How many the invariant finds once this was done, in a transaction that is taken back. */
async function findings(violations: Prisma.Sql, plant: readonly string[]): Promise<number> {
  let found = 0;
  await world.app.db.client.$transaction(async (tx) => {
    await tx.$executeRaw`SET LOCAL session_replication_role = replica`;
    for (const statement of plant) {
      const touched = await tx.$executeRawUnsafe(statement);
      if (/^(UPDATE|INSERT)/.test(statement)) expect(touched, statement).toBeGreaterThan(0);
    }
    const [row] = await tx.$queryRaw<{ count: bigint }[]>`SELECT count(*) AS count FROM (${violations}) v`;
    found = Number(row?.count);
    throw new Undone();
  }, { timeout: 30_000 }).catch((error: unknown) => {
    if (!(error instanceof Undone)) throw error;
  });
  return found;
}

it('a market after jobs breaks none of its invariants', async () => {
  expect((await checkLedger(world.app.db.client)).filter((check) => !check.ok)).toEqual([]);
});

it.each([...JOB_INVARIANTS, ...VERDICT_INVARIANTS].map(({ id, violations }) => [id, violations] as const))('%s finds what was planted', async (id, violations) => {
  const plants = PLANTS[id] ?? [];
  expect(plants.length).toBeGreaterThan(0);
  for (const plant of plants) expect(await findings(violations, plant()), plant().join('; ')).toBeGreaterThan(0);
});

it('the questions of docs/verification.md can be asked, and nothing breaks an invariant', async () => {
  const page = await readFile(new URL('../../../../docs/verification.md', import.meta.url), 'utf8');
  const [, sql = ''] = /```sql\n([\s\S]*?)```/.exec(page) ?? [];
  const task = await world.app.db.client.task.findFirstOrThrow({ where: { jobId: agreed } });
  const questions = sql.replaceAll('<task id>', task.id).split(';').filter((statement) => statement.trim() !== '');
  expect(questions).toHaveLength(3);
  const [late, votes, attempts] = await Promise.all(questions.map((question) => world.app.db.client.$queryRawUnsafe<unknown[]>(question)));
  expect(late).toEqual([]);
  expect(votes).toEqual(expect.arrayContaining([expect.objectContaining({ verdict: 'invalid', votes: 1n })]));
  expect(attempts).toHaveLength(3);
  for (const { id } of [...JOB_INVARIANTS, ...VERDICT_INVARIANTS].filter(({ title }) => /^I\d/.test(title))) expect(page).toContain(`\`${id}\``);
});
