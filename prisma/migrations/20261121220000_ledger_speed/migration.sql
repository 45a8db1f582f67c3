-- DropForeignKey
ALTER TABLE "LedgerTransfer" DROP CONSTRAINT "LedgerTransfer_creditAccountId_fkey";

-- DropForeignKey
ALTER TABLE "LedgerTransfer" DROP CONSTRAINT "LedgerTransfer_debitAccountId_fkey";

-- DropForeignKey
ALTER TABLE "RentalCharge" DROP CONSTRAINT "RentalCharge_rentalId_fkey";

-- DropIndex
DROP INDEX "LedgerTransfer_creditAccountId_createdAt_idx";

-- DropIndex
DROP INDEX "LedgerTransfer_debitAccountId_createdAt_idx";

-- DropIndex
DROP INDEX "Transaction_transferId_userId_type_key";

-- What no code may break in money, kept once per statement. The tail of this migration; tried by guards.spec.ts like guards.sql.
-- Nothing here reads or writes a row: accounts, transfers, lines and charges of earlier versions stay as they are, and ten million
-- of them take no longer than ten. Earlier versions wrote them by the same rules: both accounts moved and each person's line beside
-- its transfer, each charge begun where the bill of its rental stood.

-- The chain of charges below keeps a second from being billed twice, in one comparison instead of a search per row.
ALTER TABLE "RentalCharge" DROP CONSTRAINT rental_charge_no_overlap;
-- Guards per row, and what mirrored a balance, give way to guards per statement, below under the same names.
DROP TRIGGER account_balance_guarded ON "LedgerAccount";
DROP TRIGGER user_balance_guarded ON "User";
DROP TRIGGER account_starts_empty ON "LedgerAccount";
DROP TRIGGER account_mirrors_to_user ON "LedgerAccount";
DROP FUNCTION muster_guard_balance();
DROP FUNCTION muster_new_account_empty();
DROP FUNCTION muster_mirror_balance();

-- An account stays, and stays whose it is: transfers and charges have no foreign keys (each row would be checked by a query of
-- its own, half of the cost of posting). That what they name exists is checked once per statement, by the triggers below.
CREATE TRIGGER account_kept BEFORE DELETE OR UPDATE OF id, "ownerId", kind ON "LedgerAccount" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER account_not_truncated BEFORE TRUNCATE ON "LedgerAccount" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();

-- What follows from other rows is written by their triggers and by nothing else: balances and statement lines follow transfers,
-- the bill of a rental follows its charges. A statement from outside has a depth of zero. None of these guards is a row trigger
-- before an update: with one, Postgres locks every row by itself before it changes it.
CREATE FUNCTION muster_refuse_by_hand() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER account_balance_guarded BEFORE UPDATE OF balance ON "LedgerAccount"
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION muster_refuse_by_hand('a balance changes only through a transfer');
CREATE TRIGGER user_balance_guarded BEFORE UPDATE OF balance ON "User"
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION muster_refuse_by_hand('a balance changes only through a transfer');
CREATE TRIGGER account_starts_empty BEFORE INSERT ON "LedgerAccount"
  FOR EACH ROW WHEN (NEW.balance <> 0) EXECUTE FUNCTION muster_refuse_by_hand('an account starts empty');
CREATE TRIGGER transaction_by_transfer BEFORE INSERT ON "Transaction"
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION muster_refuse_by_hand('a statement line is written only by its transfer');
CREATE TRIGGER rental_sums_guarded BEFORE UPDATE OF "billedSeconds", "settledMicro" ON "Rental"
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION muster_refuse_by_hand('a bill moves only through a charge');
-- Until the first charge a bill stands at the start and moves with it; then neither moves but by the next charge.
CREATE TRIGGER rental_bill_guarded AFTER UPDATE OF "startTime", "billedThrough" ON "Rental" FOR EACH ROW
  WHEN (pg_trigger_depth() = 0 AND (OLD."startTime", OLD."billedThrough") IS DISTINCT FROM (NEW."startTime", NEW."billedThrough")
        AND NOT (OLD."billedThrough" IS NOT DISTINCT FROM OLD."startTime" AND NEW."billedThrough" IS NOT DISTINCT FROM NEW."startTime"))
  EXECUTE FUNCTION muster_refuse_by_hand('a bill moves only through a charge');
CREATE TRIGGER rental_billed_kept BEFORE DELETE ON "Rental"
  FOR EACH ROW WHEN (OLD."billedThrough" IS DISTINCT FROM OLD."startTime") EXECUTE FUNCTION muster_refuse_by_hand('a rental that was billed is never deleted');

-- Once per statement: both accounts of each transfer move, User.balance with the prepaid ones, and each side that belongs to a
-- person gets its statement line. The line of the credit side takes the transfer's id with one bit turned: ids in order of time,
-- as the transfers' are, keep the index in memory.
-- Plans are kept for the session and made for the size of the first batch, one row or ten thousand. The settings leave look-ups
-- by index only, which are right for both; and accounts are locked in the order of their ids, so that two batches never deadlock.
-- What a look-up costs beside its row counts as nothing, so that it is chosen too while the statistics still tell of two accounts:
-- a plan that read all accounts for each transfer made a first batch of three thousand in a new market twenty times as slow.
CREATE OR REPLACE FUNCTION muster_move_balances() RETURNS trigger LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off
  SET enable_material = off SET cpu_operator_cost = 0 SET random_page_cost = 0 AS $$
DECLARE missing bigint;
BEGIN
  WITH delta AS MATERIALIZED (
    SELECT account, sum(amount)::bigint AS amount
    FROM (SELECT "creditAccountId" AS account, "amountMicro" AS amount FROM moved UNION ALL SELECT "debitAccountId", -"amountMicro" FROM moved) m
    GROUP BY account ORDER BY account
  ), touched AS (
    UPDATE "LedgerAccount" a SET balance = a.balance + d.amount FROM delta d WHERE a.id = d.account RETURNING a."ownerId", a.kind, a.balance
  ), mirrored AS (
    UPDATE "User" u SET balance = t.balance * 0.000001 FROM touched t WHERE t.kind = 'prepaid' AND u.id = t."ownerId"
  )
  SELECT (SELECT count(*) FROM delta) - (SELECT count(*) FROM touched) INTO missing;
  IF missing <> 0 THEN RAISE EXCEPTION 'a transfer names an account that does not exist' USING ERRCODE = 'foreign_key_violation'; END IF;
  WITH sided AS MATERIALIZED (
    SELECT m.id, m.id::text AS name, m."amountMicro" * 0.000001 AS amount, m."referenceId", m.kind, m.memo, m."createdAt", d."ownerId" AS payer, c."ownerId" AS payee
    FROM moved m LEFT JOIN "LedgerAccount" d ON d.id = m."debitAccountId" LEFT JOIN "LedgerAccount" c ON c.id = m."creditAccountId"
  )
  INSERT INTO "Transaction" (id, "userId", amount, type, "referenceId", "transferId", kind, memo, "createdAt")
    SELECT id, payer, amount, 'DEBIT'::"TransactionType", "referenceId", id, kind, memo, "createdAt" FROM sided WHERE payer IS NOT NULL
    UNION ALL
    SELECT overlay(name PLACING translate(substr(name, 20, 1), '0123456789abcdef', '1032547698badcfe') FROM 20 FOR 1)::uuid,
           payee, amount, 'CREDIT'::"TransactionType", "referenceId", id, kind, memo, "createdAt" FROM sided WHERE payee IS NOT NULL;
  RETURN NULL;
END $$;

-- A charge begins where the bill of its rental stands and takes it to where it ends: so the charges of a rental are one chain
-- from its first second on, without a hole, and no second is in two of them.
CREATE FUNCTION muster_advance_bills() RETURNS trigger LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off
  SET enable_material = off SET cpu_operator_cost = 0 SET random_page_cost = 0 AS $$
DECLARE advanced bigint;
BEGIN
  UPDATE "Rental" r SET "billedThrough" = c."toAt", "billedSeconds" = r."billedSeconds" + c.seconds, "settledMicro" = r."settledMicro" + c."amountMicro", "updatedAt" = now()
    FROM charged c WHERE r.id = c."rentalId" AND r."billedThrough" = c."fromAt";
  GET DIAGNOSTICS advanced = ROW_COUNT;
  IF advanced <> (SELECT count(*) FROM charged) THEN RAISE EXCEPTION 'a charge begins where the last one ended' USING ERRCODE = 'restrict_violation'; END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER charge_advances_bill AFTER INSERT ON "RentalCharge"
  REFERENCING NEW TABLE AS charged FOR EACH STATEMENT EXECUTE FUNCTION muster_advance_bills();

-- Half a page is kept free where one statement may update every row of it; pages that are full already get there as they are written.
ALTER TABLE "User" SET (fillfactor = 50);
ALTER TABLE "LedgerAccount" SET (fillfactor = 50);
ALTER TABLE "Rental" SET (fillfactor = 50);
