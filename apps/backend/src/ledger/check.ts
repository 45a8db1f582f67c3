import { Prisma, type PrismaClient } from '@muster/prisma';
import { verifyEntries } from '../audit/verify-entries.js';
import { JOB_INVARIANTS } from './check-jobs.js';
import { VERDICT_INVARIANTS } from './check-verdicts.js';
import type { Invariant } from './invariant.js';

export interface LedgerCheckResult {
  id: string;
  title: string;
  ok: boolean;
  violations: number;
  /** The first few things that break it. */
  sample: string[];
}

const REBUILT = Prisma.sql`
  SELECT account, sum(amount) AS balance
  FROM (SELECT "creditAccountId" AS account, "amountMicro" AS amount FROM "LedgerTransfer" UNION ALL SELECT "debitAccountId", -"amountMicro" FROM "LedgerTransfer") m
  GROUP BY account`;

const COST = Prisma.sql`div(r."rateMicroHour"::numeric * r."billedSeconds" + r."storageMicroHour"::numeric * r."storedSeconds", 3600)`;

/** What is always true of the money in this market. Each is one query that finds what breaks it. */
export const INVARIANTS: readonly Invariant[] = [
  {
    id: 'sum_zero',
    title: 'All balances together are zero: every credit has its debit',
    violations: Prisma.sql`SELECT 'sum ' || sum(balance) AS what FROM "LedgerAccount" HAVING sum(balance) <> 0`,
  },
  {
    id: 'floors',
    title: 'No account is below its floor',
    violations: Prisma.sql`SELECT 'account ' || id AS what FROM "LedgerAccount" WHERE balance < floor`,
  },
  {
    id: 'balances_rebuilt',
    title: 'Balances rebuilt from transfers are the stored ones, and no transfer is of an account that does not exist',
    violations: Prisma.sql`
      SELECT 'account ' || coalesce(a.id, r.account) || ': ' || coalesce(a.balance, 0) || ' stored, ' || coalesce(r.balance, 0) || ' rebuilt' AS what
      FROM "LedgerAccount" a FULL JOIN (${REBUILT}) r ON r.account = a.id
      WHERE a.id IS NULL OR a.balance <> coalesce(r.balance, 0)`,
  },
  {
    id: 'user_balance',
    title: 'User.balance is the prepaid account',
    violations: Prisma.sql`
      SELECT 'user ' || u.id AS what FROM "User" u LEFT JOIN "LedgerAccount" a ON a."ownerId" = u.id AND a.kind = 'prepaid'
      WHERE u.balance <> coalesce(a.balance, 0) / 1000000.0`,
  },
  {
    id: 'statement_lines',
    title: 'Each side of a transfer that touches a person has exactly its line, and no line is without its transfer',
    violations: Prisma.sql`
      WITH due AS (
        SELECT t.id AS transfer, a."ownerId" AS person, side.type, t."amountMicro" / 1000000.0 AS amount
        FROM "LedgerTransfer" t CROSS JOIN LATERAL (VALUES (t."debitAccountId", 'DEBIT'), (t."creditAccountId", 'CREDIT')) AS side(account, type)
        JOIN "LedgerAccount" a ON a.id = side.account WHERE a."ownerId" IS NOT NULL)
      SELECT 'transfer ' || coalesce(d.transfer, l."transferId") AS what
      FROM due d FULL JOIN "Transaction" l ON l."transferId" = d.transfer AND l."userId" = d.person AND l.type::text = d.type
      WHERE d.transfer IS NULL OR l.id IS NULL OR l.amount <> d.amount`,
  },
  {
    id: 'charges_settled',
    title: 'The charges of a rental are its settled amount and its billed seconds, whole and of its disk, and floor(Σ rate × seconds / 3600)',
    violations: Prisma.sql`
      SELECT 'rental ' || r.id AS what FROM "Rental" r
      LEFT JOIN (SELECT "rentalId", sum("amountMicro") AS amount, sum(seconds) FILTER (WHERE NOT stored) AS seconds, sum(seconds) FILTER (WHERE stored) AS stored
                 FROM "RentalCharge" GROUP BY 1) c ON c."rentalId" = r.id
      WHERE coalesce(c.amount, 0) <> r."settledMicro" OR coalesce(c.seconds, 0) <> r."billedSeconds" OR coalesce(c.stored, 0) <> r."storedSeconds" OR r."settledMicro" <> ${COST}`,
  },
  {
    id: 'stopped_by_disk',
    title: 'A stopped rental was told so, is billed for its disk only after its last charge of the whole rate, and holds no device',
    violations: Prisma.sql`
      SELECT 'rental ' || r.id AS what FROM "Rental" r
      LEFT JOIN (SELECT "rentalId", max("toAt") AS ran_to FROM "RentalCharge" WHERE NOT stored GROUP BY 1) c ON c."rentalId" = r.id
      WHERE r."storedSince" IS NOT NULL AND r."storedSince" < coalesce(c.ran_to, r."startTime")
      UNION ALL
      SELECT 'rental ' || r.id FROM "Rental" r WHERE r."parkedAt" IS NOT NULL AND EXISTS (SELECT 1 FROM "Gpu" g WHERE g."rentalId" = r.id)`,
  },
  {
    id: 'charges_paid',
    title: 'Each charge is one transfer of its amount from its renter to its host',
    violations: Prisma.sql`
      SELECT 'rental ' || c."rentalId" || ' from ' || c."fromAt" AS what
      FROM "RentalCharge" c JOIN "Rental" r ON r.id = c."rentalId" JOIN "HostNode" n ON n.id = r."nodeId"
      LEFT JOIN "LedgerTransfer" t ON t.id = c."transferId"
      LEFT JOIN "LedgerAccount" p ON p.id = t."debitAccountId" LEFT JOIN "LedgerAccount" e ON e.id = t."creditAccountId"
      WHERE coalesce(t."amountMicro", 0) <> c."amountMicro"
        OR (t.id IS NOT NULL AND (t."referenceId" <> r.id OR p."ownerId" <> r."renterId" OR e."ownerId" <> n."ownerId"))
      UNION ALL
      SELECT 'transfer ' || t.id FROM "LedgerTransfer" t WHERE t.kind = 'rental' AND NOT EXISTS (SELECT 1 FROM "RentalCharge" c WHERE c."transferId" = t.id)`,
  },
  {
    id: 'no_second_twice',
    title: 'No second of a rental is billed twice, outside its life, or inside a recorded gap',
    violations: Prisma.sql`
      SELECT 'rental ' || c."rentalId" || ' from ' || c."fromAt" AS what FROM "RentalCharge" c JOIN "Rental" r ON r.id = c."rentalId"
      LEFT JOIN LATERAL (
        SELECT sum(extract(epoch FROM least(g."toAt", c."toAt") - greatest(g."fromAt", c."fromAt"))) AS seconds
        FROM "RentalGap" g WHERE g."rentalId" = c."rentalId" AND g."toAt" > c."fromAt" AND g."fromAt" < c."toAt") g ON true
      WHERE c.seconds <> extract(epoch FROM c."toAt" - c."fromAt") - coalesce(g.seconds, 0)
        OR c."fromAt" < r."startTime" OR c."toAt" > coalesce(r."endTime", 'infinity')
        OR EXISTS (SELECT 1 FROM "RentalCharge" o WHERE o."rentalId" = c."rentalId" AND o."fromAt" <> c."fromAt"
                     AND tstzrange(o."fromAt", o."toAt") && tstzrange(c."fromAt", c."toAt"))`,
  },
  {
    id: 'billed_without_hole',
    title: 'A rental is settled from its first second to where it says, and to its end once it has ended',
    violations: Prisma.sql`
      SELECT 'rental ' || r.id AS what FROM "Rental" r
      LEFT JOIN (SELECT "rentalId", sum(extract(epoch FROM "toAt" - "fromAt")) AS length FROM "RentalCharge" GROUP BY 1) c ON c."rentalId" = r.id
      WHERE r."startTime" IS NOT NULL
        AND (coalesce(c.length, 0) <> extract(epoch FROM r."billedThrough" - r."startTime") OR (r."endTime" IS NOT NULL AND r."billedThrough" <> r."endTime"))`,
  },
  {
    id: 'limits_kept',
    title: 'No rental cost more than its spend limit or ran past its run_until',
    violations: Prisma.sql`
      SELECT 'rental ' || id AS what FROM "Rental"
      WHERE "settledMicro" > "maxSpendMicro" OR ("runUntil" IS NOT NULL AND "startTime" IS NOT NULL AND "billedThrough" > greatest("runUntil", "startTime"))`,
  },
  {
    id: 'failed_free',
    title: 'A rental that never ran cost nothing',
    violations: Prisma.sql`
      SELECT 'rental ' || r.id AS what FROM "Rental" r
      WHERE (r.status = 'failed' OR r."startTime" IS NULL)
        AND (r."settledMicro" <> 0 OR EXISTS (SELECT 1 FROM "RentalCharge" c WHERE c."rentalId" = r.id) OR EXISTS (SELECT 1 FROM "LedgerTransfer" t WHERE t."referenceId" = r.id))`,
  },
  ...JOB_INVARIANTS,
  ...VERDICT_INVARIANTS,
];

const SAMPLE = 5;
/** The one that is no query: hashes and signatures are computed anew. */
const ENTRIES_SEALED = { id: 'entries_sealed', title: 'The record of work and credit is what was sealed: every hash, every link, every signature' };

/** Runs every invariant on one unchanging view of the database. */
export async function checkLedger(db: PrismaClient): Promise<LedgerCheckResult[]> {
  const inOneView = { isolationLevel: Prisma.TransactionIsolationLevel.RepeatableRead, timeout: 60_000, maxWait: 10_000 };
  return await db.$transaction(async (tx) => {
    const results: LedgerCheckResult[] = [];
    for (const { id, title, violations } of INVARIANTS) {
      const [row] = await tx.$queryRaw<{ count: bigint; sample: string[] | null }[]>`
        SELECT count(*) AS count, (array_agg(what))[1:${SAMPLE}::int] AS sample FROM (${violations}) v`;
      const count = Number(row?.count ?? 0);
      results.push({ id, title, ok: count === 0, violations: count, sample: row?.sample ?? [] });
    }
    const findings = await verifyEntries(tx);
    results.push({ ...ENTRIES_SEALED, ok: findings.length === 0, violations: findings.length, sample: findings.slice(0, SAMPLE) });
    return results;
  }, inOneView);
}
