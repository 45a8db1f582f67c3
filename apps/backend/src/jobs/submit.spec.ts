import { formatUsd, type JobSubmissionInput } from '@muster/shared-types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestAccount, TestApp } from '../../test/app.js';
import { fund, makeNode, makeUser } from '../../test/market-fixtures.js';
import { RentalWorld } from '../../test/rental-world.js';
import { storageReserve } from '../ledger/zero-at.rules.js';
import type { FakeClock } from '../platform/clock.js';

let world: RentalWorld;
let market: TestApp;
let clock: FakeClock;
beforeAll(async () => {
  world = await RentalWorld.start();
  ({ app: market, clock } = world);
  for (const _ of [1, 2, 3]) await makeNode(market.db.client, { ownerId: await makeUser(market.db.client) });
});
afterAll(() => world.close());

const HELLO: JobSubmissionInput = { name: 'hello', docker_image: 'workspace', command: ['echo', 'hello'] };
/** $/h of one vCPU, 512 MiB and 1 GB of disk at the prices of the fixtures. */
const RATE = 10_000n + 2_500n + 136n;
const COPY = (RATE * 300n + 3_599n) / 3_600n;

const submitter = async (micro = 10_000_000n): Promise<TestAccount> => {
  const account = await market.signUp();
  if (micro > 0n) await fund(market.db.client, account.id, micro, clock.now());
  return account;
};
const submit = (by: TestAccount, job: object, headers: Record<string, string> = {}) => market.call('createJob', { token: by.token, body: { ...HELLO, ...job }, headers });
const prepaid = async (of: TestAccount) => (await market.db.client.ledgerAccount.findFirst({ where: { ownerId: of.id, kind: 'prepaid' } }))?.balance ?? 0n;
const escrow = async (jobId: string) => (await market.db.client.ledgerAccount.findUniqueOrThrow({ where: { jobId } })).balance;

describe('a submission', () => {
  it('becomes a job, its task, its copies and the money set aside, at once', async () => {
    const ada = await submitter();
    const { status, body } = await submit(ada, {});
    expect(status, JSON.stringify(body)).toBe(201);
    expect(body).toMatchObject({ status: 'pending', docker_image: 'muster/workspace', memory_mb: 512, required_memory: 1, redundancy: 3, consensus: 2, max_copies: 7, distinct_by: 'owner' });
    expect(body).toMatchObject({ actions: ['cancel'], paid_usd: '0.000000', waiting_for: null, progress: { tasks: 1, tasks_final: 0 } });
    const held = 7n * COPY;
    expect(await escrow(body.id)).toBe(held);
    expect(await prepaid(ada)).toBe(10_000_000n - held);
    expect(body.credits_required).toBe(Number((held + 999n) / 1_000n));
    const copies = await market.db.client.jobExecution.findMany({ where: { jobId: body.id }, orderBy: { id: 'asc' } });
    expect(copies.map(({ copy, attempt, status: state }) => [copy, attempt, state])).toEqual([[0, 1, 'ready'], [1, 1, 'ready'], [2, 1, 'ready']]);
    expect(await world.broken()).toEqual([]);
  });

  it('costs nothing twice under one Idempotency-Key', async () => {
    const ada = await submitter();
    const first = await submit(ada, {}, { 'idempotency-key': 'one' });
    const again = await submit(ada, {}, { 'idempotency-key': 'one' });
    expect(again.body).toEqual(first.body);
    expect(await market.db.client.job.count({ where: { submittedBy: ada.id } })).toBe(1);
    expect((await submit(ada, { name: 'other' }, { 'idempotency-key': 'one' })).body.code).toBe('idempotency_conflict');
  });

  it('is refused where the balance, less what rentals use, does not carry it; taken, it makes rentals end sooner', async () => {
    const ada = await world.renter(1);
    const rentalId = await world.running(ada, `${await world.node()}.c2`);
    const { rateMicroHour, storageMicroHour } = await market.db.client.rental.findUniqueOrThrow({ where: { id: rentalId } });
    const rentals = (rateMicroHour * 10n + 59n) / 60n + storageReserve(storageMicroHour);
    const { status, body } = await submit(ada, { max_price_usd: '0.999999' });
    expect([status, body.code]).toEqual([402, 'insufficient_funds']);
    expect(body.facts).toEqual({ available_usd: '1.000000', needed_usd: formatUsd(999_999n + rentals) });
    const most = 1_000_000n - rentals;
    expect((await submit(ada, { max_price_usd: formatUsd(most) })).status).toBe(201);
    expect(await prepaid(ada)).toBe(rentals);
    const { zeroAt } = await market.db.client.user.findUniqueOrThrow({ where: { id: ada.id } });
    expect((Number(zeroAt) - Number(clock.now())) / 1_000).toBeGreaterThanOrEqual(600);
    expect((Number(zeroAt) - Number(clock.now())) / 1_000).toBeLessThan(602);
    expect(await world.broken()).toEqual([]);
  });

  it('of ten thousand tasks has every one with its copies, in the order of its axes', async () => {
    const ada = await submitter(1_000_000_000n);
    const axes = { seed: Array.from({ length: 100 }, (_, n) => String(n)), Rate: Array.from({ length: 100 }, (_, n) => String(n)) };
    const { status, body } = await submit(ada, { tasks: { kind: 'matrix', axes } });
    expect(status, JSON.stringify(body)).toBe(201);
    const { client } = market.db;
    expect(await client.task.count({ where: { jobId: body.id } })).toBe(10_000);
    expect(await client.jobExecution.count({ where: { jobId: body.id } })).toBe(30_000);
    const last = await client.task.findFirstOrThrow({ where: { jobId: body.id }, orderBy: { index: 'desc' } });
    expect(last).toMatchObject({ index: 9_999, label: 'seed=99 Rate=99', environment: { SEED: '99', RATE: '99' } });
    expect((await market.call('cancelJob', { token: ada.token, params: { job_id: body.id } })).body.status).toBe('cancelled');
  });
});
