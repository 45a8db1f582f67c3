import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestApp, type TestApp } from '../../test/app.js';
import { makeUser } from '../../test/market-fixtures.js';
import { checkLedger } from '../ledger/check.js';
import { FakeClock } from '../platform/clock.js';
import { withTx } from '../platform/tx.js';
import { writeEntries } from './entries.js';
import { Sealer } from './sealer.js';
import { verifyEntries } from './verify-entries.js';

const clock = new FakeClock(new Date('2026-03-01T12:00:00Z'));
let market: TestApp;
let other: TestApp;
beforeAll(async () => {
  market = await createTestApp({ clock, env: { MUSTER_ROLES: 'api' } });
  other = await createTestApp({ clock, env: { MUSTER_ROLES: 'api' }, beside: market });
});
afterAll(async () => {
  await other.close();
  await market.close();
});

async function write(count: number): Promise<void> {
  const ownerId = await makeUser(market.db.client);
  const entries = Array.from({ length: count }, (_, n) => ({ eventType: 'job_held' as const, nodeId: null, jobId: null, ownerId, amountMicro: BigInt(n), data: { n, text: 'é\n"' } }));
  await withTx(market.db, (tx) => writeEntries(tx, entries, clock.now()));
}
const sealed = () => market.db.client.ledgerEntry.findMany({ where: { seq: { not: null } }, orderBy: { seq: 'asc' } });
const findings = () => verifyEntries(market.db.client);

describe('the record of work and credit', () => {
  it('is numbered and chained without a gap, by any replica, whoever writes meanwhile', async () => {
    await write(5);
    await Promise.all([market.app.get(Sealer).pass(), other.app.get(Sealer).pass(), write(7)]);
    await write(3);
    await Promise.all([other.app.get(Sealer).pass(), market.app.get(Sealer).pass()]);
    const rows = await sealed();
    expect(rows.map((row) => row.seq)).toEqual(Array.from({ length: 15 }, (_, n) => BigInt(n + 1)));
    expect(rows.slice(1).map((row) => row.prevHash)).toEqual(rows.slice(0, -1).map((row) => row.hash));
    expect(await market.db.client.signingKey.count({ where: { purpose: 'ledger' } })).toBe(1);
    expect(await findings()).toEqual([]);
    expect(await checkLedger(market.db.client)).toContainEqual(expect.objectContaining({ id: 'entries_sealed', ok: true }));
  });

  /** What somebody with the whole database in his hands could do: our own guards are out of the way. */
  const tamper = (change: string) => withTx(market.db, async (tx) => {
    await tx.$executeRawUnsafe('SET LOCAL session_replication_role = replica');
    expect(await tx.$executeRawUnsafe(change)).toBe(1);
  });

  it.each([
    ['credits', `credits = credits + 0.001`],
    ['an owner', `"ownerId" = NULL`],
    ['a type', `"eventType" = 'execution_paid'`],
    ['data', `data = data || '{"n": 99}'`],
    ['a time', `timestamp = timestamp + interval '1 ms'`],
    ['an id', `id = gen_random_uuid()`],
    ['its hash', `hash = overlay(hash PLACING translate(left(hash, 1), '0123456789abcdef', '1032547698badcfe') FROM 1)`],
    ['the hash before it', `"prevHash" = overlay("prevHash" PLACING translate(left("prevHash", 1), '0123456789abcdef', '1032547698badcfe') FROM 1)`],
    ['its signature', `signature = overlay(signature PLACING CASE left(signature, 1) WHEN 'A' THEN 'B' ELSE 'A' END FROM 1)`],
    ['its number', `seq = 1000`],
  ])('shows that %s was changed', async (_what, change) => {
    const before = await market.db.client.ledgerEntry.findFirstOrThrow({ where: { seq: 8n } });
    await tamper(`UPDATE "LedgerEntry" SET ${change} WHERE seq = 8`);
    const found = await findings();
    expect(found.length).toBeGreaterThan(0);
    expect(found[0]).toMatch(/^entry (7|8|9|1000) /);
    expect(await checkLedger(market.db.client)).toContainEqual(expect.objectContaining({ id: 'entries_sealed', ok: false, violations: found.length }));
    const { id, eventType, ownerId, prevHash, hash, signature } = before;
    await tamper(`UPDATE "LedgerEntry" SET id = '${id}', "eventType" = '${eventType}', "ownerId" = '${ownerId}', credits = ${before.credits.toFixed(3)}, data = '${JSON.stringify(before.data)}',
      timestamp = '${before.timestamp.toISOString()}', seq = 8, "prevHash" = '${prevHash}', hash = '${hash}', signature = '${signature}' WHERE hash = '${hash}' OR "prevHash" = '${prevHash}' OR seq = 1000`);
    expect(await findings()).toEqual([]);
  });

  it('shows that one is gone, and that one was put between', async () => {
    const [gone] = await market.db.client.$queryRaw<{ row: string }[]>`SELECT to_jsonb(e)::text AS row FROM "LedgerEntry" e WHERE seq = 4`;
    await tamper('DELETE FROM "LedgerEntry" WHERE seq = 4');
    expect(await findings()).toEqual(['entry 5 follows 3', 'entry 5 hangs on another entry than the one before it']);
    await tamper(`INSERT INTO "LedgerEntry" SELECT (jsonb_populate_record(NULL::"LedgerEntry", '${(gone?.row ?? '').replaceAll("'", "''")}'::jsonb)).*`);
    expect(await findings()).toEqual([]);
  });
});
