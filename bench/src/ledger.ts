/**
 * The ledger at speed: durable transfers one by one and in batches in the same run, and settling many rentals at once.
 * Every transfer writes its statement lines and moves balances. Prints one JSON line; fails when an invariant is broken.
 */
import type { PrismaClient } from '@muster/prisma';
import { checkLedger } from '@muster/backend/ledger/check';
import { post } from '@muster/backend/ledger/ledger';
import { newId } from '@muster/backend/platform/ids';
import { earningsOf, PAYMENTS_IN, prepaidOf, type Transfer } from '@muster/backend/ledger/ledger.rules';
import { settleInBatches } from '@muster/backend/ledger/settle-batches';
import { ensureRentalAccounts } from '@muster/backend/ledger/settle.store';
import { conditions, numbers, percentile, withOwnPostgres } from './own-postgres.js';

const sizes = numbers({ transfers: 20_000, batch: 500, singles: 1_000, users: 1_000, rentals: 10_000, renters: 10_000, rounds: 5, side: 2 });
const START_S = 1_800_000_000;
const now = new Date(START_S * 1_000);

/** What autovacuum does within a minute of such growth; the tables of a market are not a minute old. */
async function analyse(db: PrismaClient): Promise<void> {
  await db.$executeRaw`ANALYZE`;
}

/** So many people with money. */
async function people(db: PrismaClient, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => newId());
  await db.$executeRaw`INSERT INTO "User" (id, email, "passwordHash") SELECT id, id || '@example.com', 'none' FROM unnest(${ids}::uuid[]) id`;
  for (let i = 0; i < count; i += sizes.batch) await posting(db, ids.slice(i, i + sizes.batch).map((id) => transfer(PAYMENTS_IN, prepaidOf(id), 1_000_000_000n)));
  return ids;
}

const transfer = (from: Transfer['from'], to: Transfer['to'], amountMicro: bigint): Transfer => ({ id: newId(), from, to, amountMicro, kind: 'grant', referenceId: null, memo: 'bench' });
const posting = (db: PrismaClient, transfers: Transfer[]) => db.$transaction((tx) => post(tx, transfers, now), { timeout: 60_000, maxWait: 60_000 });

/** Between random people, from prepaid to earnings. */
function payments(users: readonly string[], count: number): Transfer[] {
  const anyone = (): string => users[Math.floor(Math.random() * users.length)] ?? '';
  return Array.from({ length: count }, () => transfer(prepaidOf(anyone()), earningsOf(anyone()), 7n));
}

/** Transfers a second, `side` transactions at a time. */
async function speed(db: PrismaClient, all: Transfer[], batch: number): Promise<number> {
  const batches = Array.from({ length: Math.ceil(all.length / batch) }, (_, i) => all.slice(i * batch, (i + 1) * batch));
  const began = performance.now();
  const worker = async (): Promise<void> => {
    for (let next = batches.pop(); next; next = batches.pop()) await posting(db, next);
  };
  await Promise.all(Array.from({ length: sizes.side }, worker));
  return Math.round(all.length / ((performance.now() - began) / 1_000));
}

async function makeRentals(db: PrismaClient): Promise<string[]> {
  const renters = await people(db, sizes.renters);
  const [host = ''] = await people(db, 1);
  const nodes = Array.from({ length: 200 }, () => newId());
  await db.hostNode.createMany({
    data: nodes.map((id) => ({ id, ownerId: host, name: id, publicKey: id, specs: {}, pricingConfig: {}, cpuTotal: 1_000_000, ramMbTotal: 1_000_000_000, diskGbTotal: 1_000_000 })),
  });
  const ids = Array.from({ length: sizes.rentals }, () => newId());
  for (let i = 0; i < ids.length; i += 1_000) {
    await db.rental.createMany({
      data: ids.slice(i, i + 1_000).map((id, k) => ({
        id, renterId: renters[(i + k) % renters.length] ?? '', nodeId: nodes[k % nodes.length] ?? '', status: 'running' as const, startTime: now, billedThrough: now, costPerHour: 0.4,
        rateMicroHour: 400_000n + BigInt(k), offerId: '', templateSlug: 'workspace', image: '', numGpus: 0, cpuCores: 0, ramMb: 0, diskGb: 0, specHash: '', spec: {}, priceParts: [],
        sealedSecrets: new Uint8Array(),
      })),
    });
  }
  await db.$transaction((tx) => ensureRentalAccounts(tx, ids), { timeout: 60_000 });
  return ids;
}

/** What Postgres takes on this machine, now, to insert as many bare transfers and nothing else. */
async function baselineMs(db: PrismaClient): Promise<number> {
  const began = performance.now();
  const undo = new Error('undone');
  const inserting = db.$transaction(
    async (tx) => {
      await tx.$executeRaw`
        INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind)
        SELECT gen_random_uuid(), '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002', 1, 'bench' FROM generate_series(1, ${sizes.rentals}::int)`;
      throw undo;
    },
    { timeout: 60_000, maxWait: 60_000 },
  );
  await inserting.catch((error: unknown) => {
    if (error !== undo) throw error;
  });
  return performance.now() - began;
}

/** Milliseconds in which an hour of every rental is settled: locks, statements, commits. */
async function settleRound(db: PrismaClient, ids: readonly string[], round: number): Promise<number> {
  const targets = ids.map((rentalId) => ({ rentalId, throughS: START_S + round * 3_600 }));
  const began = performance.now();
  const { rentals } = await settleInBatches({ client: db }, targets, now);
  if (rentals !== ids.length) throw new Error(`settled ${rentals} of ${ids.length}`);
  return performance.now() - began;
}

const line = await withOwnPostgres(8, async (db) => {
  const users = await people(db, sizes.users);
  await analyse(db);
  await speed(db, payments(users, sizes.batch * 2), sizes.batch);
  const oneByOne = await speed(db, payments(users, sizes.singles), 1);
  const inBatches = await speed(db, payments(users, sizes.transfers), sizes.batch);
  const rentals = await makeRentals(db);
  await analyse(db);
  const settleMs: number[] = [];
  for (let round = 1; round <= sizes.rounds; round += 1) settleMs.push(await settleRound(db, rentals, round));
  const baseline = await baselineMs(db);
  const broken = (await checkLedger(db)).filter((check) => !check.ok).map((check) => check.id);
  return {
    bench: 'ledger', ...sizes, transfers_per_s_one_by_one: oneByOne, transfers_per_s_in_batches: inBatches, ratio: Math.round(inBatches / oneByOne),
    settle_ms: settleMs.map(Math.round), settle_p50_ms: percentile(settleMs, 0.5), bare_inserts_ms: Math.round(baseline), invariants_broken: broken, conditions,
  };
});
console.log(JSON.stringify(line));
process.exitCode = line.invariants_broken.length === 0 ? 0 : 1;
