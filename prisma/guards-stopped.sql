-- What no code may break in rentals that are stopped. The tail of this migration; tried by guards.spec.ts like guards.sql.
-- Rentals of earlier versions learn what their disk alone costs from the parts of the price that they were rented at.
UPDATE "Rental" r SET "storageMicroHour" = least(r."rateMicroHour", p.micro)
  FROM (SELECT id, ((part->>'usd_per_hour')::numeric * 1000000)::bigint AS micro
        FROM "Rental" CROSS JOIN LATERAL jsonb_array_elements(CASE jsonb_typeof("priceParts") WHEN 'array' THEN "priceParts" ELSE '[]' END) part
        WHERE part->>'name' = 'disk' AND "endTime" IS NULL) p
  WHERE r.id = p.id;

-- At any second a rental costs its whole rate or that of its disk, and what runs costs the whole.
ALTER TABLE "Rental" ADD CONSTRAINT rental_storage_not_negative CHECK ("storageMicroHour" BETWEEN 0 AND "rateMicroHour" AND "storedSeconds" >= 0);
ALTER TABLE "Rental" ADD CONSTRAINT rental_stored_has_bill CHECK ("storedSince" IS NULL OR ("startTime" IS NOT NULL AND "billedThrough" >= "storedSince"));
ALTER TABLE "Rental" ADD CONSTRAINT rental_running_is_whole CHECK (status <> 'running' OR ("storedSince" IS NULL AND "parkedAt" IS NULL));
-- Stopped: its disk is there and billed, everything else is free. GPUs of a parked rental are counted by check-ledger.
ALTER TABLE "Rental" ADD CONSTRAINT rental_stopped_is_parked
  CHECK (status <> 'stopped' OR ("storedSince" IS NOT NULL AND "parkedAt" IS NOT NULL AND "keepDisk" AND "endTime" IS NULL AND "releasedAt" IS NULL));
ALTER TABLE "Rental" ADD CONSTRAINT rental_parked_runs_nothing CHECK ("parkedAt" IS NULL OR status IN ('stopped', 'stopping', 'ended'));

-- The rate changes where the bill stands: no unsettled second changes its price.
CREATE TRIGGER rental_stored_from_bill AFTER UPDATE OF "storedSince" ON "Rental" FOR EACH ROW
  WHEN (OLD."storedSince" IS DISTINCT FROM NEW."storedSince" AND NEW."storedSince" IS NOT NULL AND NEW."storedSince" <> NEW."billedThrough")
  EXECUTE FUNCTION muster_refuse_by_hand('a disk is billed from where the bill stands');
DROP TRIGGER rental_sums_guarded ON "Rental";
CREATE TRIGGER rental_sums_guarded BEFORE UPDATE OF "billedSeconds", "storedSeconds", "settledMicro" ON "Rental"
  FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION muster_refuse_by_hand('a bill moves only through a charge');

-- As before, and a charge is for what its rental costs now: the whole rate, or its disk.
CREATE OR REPLACE FUNCTION muster_advance_bills() RETURNS trigger LANGUAGE plpgsql
  SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET enable_memoize = off
  SET enable_material = off SET cpu_operator_cost = 0 SET random_page_cost = 0 AS $$
DECLARE advanced bigint;
BEGIN
  UPDATE "Rental" r SET "billedThrough" = c."toAt", "settledMicro" = r."settledMicro" + c."amountMicro", "updatedAt" = now(),
      "billedSeconds" = r."billedSeconds" + CASE WHEN c.stored THEN 0 ELSE c.seconds END,
      "storedSeconds" = r."storedSeconds" + CASE WHEN c.stored THEN c.seconds ELSE 0 END
    FROM charged c WHERE r.id = c."rentalId" AND r."billedThrough" = c."fromAt" AND c.stored = (r."storedSince" IS NOT NULL);
  GET DIAGNOSTICS advanced = ROW_COUNT;
  IF advanced <> (SELECT count(*) FROM charged) THEN RAISE EXCEPTION 'a charge begins where the last one ended' USING ERRCODE = 'restrict_violation'; END IF;
  RETURN NULL;
END $$;
