import { readFile } from 'node:fs/promises';
import type { JobSubmissionInput } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestAccount } from '../../test/app.js';
import { fund, makeNode, makeUser } from '../../test/market-fixtures.js';
import { RentalWorld } from '../../test/rental-world.js';
import { VERDICT_INVARIANTS } from '../ledger/check-verdicts.js';
import { withTx } from '../platform/tx.js';
import { postPays } from './escrow.js';
import { finishJobs } from './finish.js';
import { payTransfers, type ExecutionPay } from './pay.rules.js';
import { Refunds } from './refunds.js';

/** Money of jobs on real Postgres: what the scheduler and the tally would write is written here by hand. */
let world: RentalWorld;
const hosts: { ownerId: string; nodeId: string }[] = [];
beforeAll(async () => {
  world = await RentalWorld.start();
  for (const _ of [1, 2, 3]) {
    const ownerId = await makeUser(world.db);
    hosts.push({ ownerId, nodeId: await makeNode(world.db, { ownerId }) });
  }
});
afterAll(() => world.close());

const FUNDS = 10_000_000n;
const HASH = 'a'.repeat(64);
const RATE = 12_636n;
const MOST = (RATE * 300n) / 3_600n;

async function submitted(job: Partial<JobSubmissionInput> = {}): Promise<{ ada: TestAccount; jobId: string; held: bigint }> {
  const ada = await world.app.signUp();
  await fund(world.db, ada.id, FUNDS, world.clock.now());
  const { status, body } = await world.app.call('createJob', { token: ada.token, body: { name: 'job', docker_image: 'workspace', ...job } });
  if (status !== 201) throw new Error(JSON.stringify(body));
  return { ada, jobId: body.id, held: await escrow(body.id) };
}
const escrow = async (jobId: string) => (await world.db.ledgerAccount.findUniqueOrThrow({ where: { jobId } })).balance;
const prepaid = (of: TestAccount) => world.prepaid(of.id);
const earned = async (host: number) => (await world.db.ledgerAccount.findFirst({ where: { ownerId: hosts[host]?.ownerId ?? '', kind: 'earnings' } }))?.balance ?? 0n;
const view = async (ada: TestAccount, jobId: string) => (await world.app.call('getJob', { token: ada.token, params: { job_id: jobId } })).body;
/** Of money: nobody here scores nodes or decides tasks as the tally does. */
const broken = async () => (await world.broken()).filter((found) => !VERDICT_INVARIANTS.some(({ id }) => found.startsWith(`${id}:`)));
const refunds = () => world.app.app.get(Refunds).pass(world.clock.now());

/** Copy n runs on host n. */
async function lease(jobId: string, copies: number[]): Promise<void> {
  for (const copy of copies) {
    const host = hosts[copy] ?? { ownerId: '', nodeId: '' };
    const data = { status: 'leased' as const, ...host, distinctKey: host.ownerId, startedAt: world.clock.now(), leaseUntil: world.clock.now(), rateMicroHour: RATE };
    await world.db.jobExecution.updateMany({ where: { jobId, copy, purpose: 'copy' }, data });
    await world.db.hostNode.update({ where: { id: host.nodeId }, data: { cpuUsed: { increment: 1 }, ramMbUsed: { increment: 512 }, diskGbUsed: { increment: 1 } } });
  }
}

async function report(jobId: string, copies: number[]): Promise<void> {
  for (const copy of copies) {
    await world.db.jobExecution.updateMany({ where: { jobId, copy }, data: { status: 'reported', verdict: 'valid', resultHash: HASH, completedAt: world.clock.now(), result: Buffer.from('hello\n') } });
    await world.db.hostNode.update({ where: { id: hosts[copy]?.nodeId ?? '' }, data: { cpuUsed: { decrement: 1 }, ramMbUsed: { decrement: 512 }, diskGbUsed: { decrement: 1 } } });
  }
}

async function pays(jobId: string, copies: number[], amountMicro: bigint): Promise<ExecutionPay[]> {
  const rows = await world.db.jobExecution.findMany({ where: { jobId, copy: { in: copies } } });
  return rows.map((row) => ({ jobId, executionId: row.id, nodeId: row.nodeId ?? '', ownerId: row.ownerId ?? '', amountMicro }));
}

/** As the tally does: verdicts, counters, status and pay in one transaction. */
async function pay(jobId: string, copies: number[], amountMicro: bigint): Promise<void> {
  const due = await pays(jobId, copies, amountMicro);
  await withTx(world.app.db, async (tx) => {
    const transfers = payTransfers(due);
    for (const { id, pays: paid, amountMicro: sum } of transfers) {
      await tx.job.update({ where: { id: jobId }, data: { paidMicro: { increment: sum } } });
      for (const { executionId, amountMicro: paidMicro } of paid) await tx.jobExecution.update({ where: { id: executionId }, data: { paidMicro, transferId: id } });
    }
    await postPays(tx, transfers, world.clock.now());
    for (const one of due) await tx.hostNode.update({ where: { id: one.nodeId }, data: { creditsEarned: { increment: one.amountMicro } } });
  });
}

async function decide(jobId: string): Promise<void> {
  await withTx(world.app.db, async (tx) => {
    const canonical = await tx.jobExecution.findFirstOrThrow({ where: { jobId, copy: 0 } });
    await tx.task.updateMany({ where: { jobId }, data: { status: 'final', resultHash: HASH, canonicalId: canonical.id, decidedAt: world.clock.now() } });
    await tx.job.update({ where: { id: jobId }, data: { tasksFinal: 1 } });
    expect(await finishJobs(tx, [jobId], world.clock.now())).toEqual({ ended: [{ jobId, status: 'completed' }], aggregate: [] });
  });
}

describe('money of a job', () => {
  it('is paid to the hosts of valid executions; what is left comes back once nothing runs, and all of it adds up', async () => {
    const { ada, jobId, held } = await submitted();
    await lease(jobId, [0, 1, 2]);
    await report(jobId, [0, 1]);
    const before = await earned(0);
    await pay(jobId, [0, 1], 100n);
    await decide(jobId);
    expect(await earned(0)).toBe(before + 100n);
    await refunds();
    expect(await escrow(jobId)).toBe(MOST);
    expect(await view(ada, jobId)).toMatchObject({ status: 'completed', result: 'hello\n', result_hash: HASH, paid_usd: '0.000200', actions: ['result', 'logs'] });
    await report(jobId, [2]);
    await pay(jobId, [2], MOST);
    await refunds();
    expect(await escrow(jobId)).toBe(0n);
    expect(await prepaid(ada)).toBe(FUNDS - 200n - MOST);
    const job = await world.db.job.findUniqueOrThrow({ where: { id: jobId } });
    expect([job.heldMicro, job.paidMicro, job.refundedMicro]).toEqual([held, 200n + MOST, held - 200n - MOST]);
    expect(await broken()).toEqual([]);
  });

  it('pays nobody twice, and nobody for what was not found valid', async () => {
    const { jobId } = await submitted();
    await lease(jobId, [0, 1]);
    await report(jobId, [0]);
    await pay(jobId, [0], 50n);
    await expect(pay(jobId, [0], 50n)).rejects.toThrow('LedgerTransfer_pkey');
    await expect(pay(jobId, [1], 50n)).rejects.toThrow('execution_paid_is_valid');
    expect(await escrow(jobId)).toBe((await world.db.job.findUniqueOrThrow({ where: { id: jobId } })).heldMicro - 50n);
    await report(jobId, [1]);
    await pay(jobId, [1], 0n);
    expect(await broken()).toEqual([]);
  });

  it('cannot be more than was held', async () => {
    const { jobId, held } = await submitted();
    await lease(jobId, [0]);
    await report(jobId, [0]);
    await expect(pay(jobId, [0], held + 1n)).rejects.toThrow();
    expect(await escrow(jobId)).toBe(held);
    expect(await broken()).toEqual([]);
  });

  it('comes back whole with a cancel, whose copies free what they held, and which happens once', async () => {
    const { ada, jobId } = await submitted();
    await lease(jobId, [0, 1]);
    const { status, body } = await world.app.call('cancelJob', { token: ada.token, params: { job_id: jobId } });
    expect([status, body.status, body.waiting_for, body.actions]).toEqual([200, 'cancelled', null, []]);
    expect(await prepaid(ada)).toBe(FUNDS);
    const copies = await world.db.jobExecution.findMany({ where: { jobId } });
    expect(new Set(copies.map((copy) => copy.status))).toEqual(new Set(['unneeded']));
    expect((await world.app.call('cancelJob', { token: ada.token, params: { job_id: jobId } })).body.code).toBe('action_not_allowed');
    expect(await broken()).toEqual([]);
    const told = await world.db.outboxEvent.findMany({ where: { aggregateId: jobId }, orderBy: { id: 'asc' } });
    expect(told.map((event) => event.name)).toEqual(['TaskCreatedEvent', 'AuditEvent', 'TaskCompletedEvent']);
  });

  it('makes rentals last longer when it comes back', async () => {
    const ada = await world.renter(2);
    await world.running(ada, `${await world.node()}.c2`);
    const before = (await world.db.user.findUniqueOrThrow({ where: { id: ada.id } })).zeroAt;
    const { body } = await world.app.call('createJob', { token: ada.key, body: { name: 'job', docker_image: 'workspace', max_price_usd: '1' } });
    const during = (await world.db.user.findUniqueOrThrow({ where: { id: ada.id } })).zeroAt;
    expect(Number(during)).toBeLessThan(Number(before));
    await world.app.call('cancelJob', { token: ada.key, params: { job_id: body.id } });
    expect((await world.db.user.findUniqueOrThrow({ where: { id: ada.id } })).zeroAt).toEqual(before);
  });
});

describe('a job that fails', () => {
  it('says why, by the first of its tasks that failed, and its money comes back', async () => {
    const { ada, jobId } = await submitted({ tasks: { kind: 'matrix', axes: { seed: ['1', '2'] } }, max_errors: 2 });
    await withTx(world.app.db, async (tx) => {
      await tx.task.updateMany({ where: { jobId, index: 1 }, data: { status: 'failed', faultCode: 'exit_code', faultMessage: 'It ended with 3', decidedAt: world.clock.now() } });
      await tx.job.update({ where: { id: jobId }, data: { tasksFailed: 1 } });
      expect((await finishJobs(tx, [jobId], world.clock.now())).ended).toEqual([]);
      await tx.task.updateMany({ where: { jobId, index: 0 }, data: { status: 'failed', faultCode: 'no_consensus', faultMessage: 'Three answers', decidedAt: world.clock.now() } });
      await tx.job.update({ where: { id: jobId }, data: { tasksFailed: 2 } });
      expect((await finishJobs(tx, [jobId], world.clock.now())).ended).toEqual([{ jobId, status: 'failed' }]);
    });
    await refunds();
    expect(await prepaid(ada)).toBe(FUNDS);
    expect((await view(ada, jobId)).fault).toEqual({ code: 'no_consensus', message: '2 of 2 tasks failed; task 0: Three answers' });
  });
});

it('the questions of docs/money.md are answered by this market: nothing breaks an invariant', async () => {
  const page = await readFile(new URL('../../../../docs/money.md', import.meta.url), 'utf8');
  const [, sql = ''] = /```sql\n([\s\S]*?)```/.exec(page) ?? [];
  const { jobId } = await submitted();
  const questions = sql.replaceAll('<job id>', jobId).split(';').filter((statement) => statement.trim() !== '');
  expect(questions.length).toBe(7);
  for (const question of questions) {
    const rows = await world.db.$queryRawUnsafe<unknown[]>(question);
    if (/-- I\d/.test(question) || !question.includes('--')) expect(rows, question).toEqual([]);
    else expect(rows.length, question).toBeGreaterThan(0);
  }
});
