-- What no code may break. Folded into the migrations; guards.spec.ts reads each back from the catalog and breaks it once.
CREATE EXTENSION IF NOT EXISTS btree_gist;

ALTER TABLE "ControlPlane" ADD CONSTRAINT control_plane_single_row CHECK (id = 1);
ALTER TABLE "ControlPlaneOutage" ADD CONSTRAINT outage_forward CHECK ("toAt" > "fromAt");

ALTER TABLE "User" ADD CONSTRAINT user_email_lowercase CHECK (email = lower(email));
ALTER TABLE "User" ADD CONSTRAINT user_has_identity CHECK ("clerkId" IS NOT NULL OR "passwordHash" IS NOT NULL);
ALTER TABLE "ApiKey" ADD CONSTRAINT api_key_kind CHECK (kind IN ('user', 'host'));

-- Capacity of a node: counters that can neither go below zero nor past what the machine has.
ALTER TABLE "HostNode" ADD CONSTRAINT node_cpu_within CHECK ("cpuUsed" BETWEEN 0 AND "cpuTotal");
ALTER TABLE "HostNode" ADD CONSTRAINT node_ram_within CHECK ("ramMbUsed" BETWEEN 0 AND "ramMbTotal");
ALTER TABLE "HostNode" ADD CONSTRAINT node_disk_within CHECK ("diskGbUsed" BETWEEN 0 AND "diskGbTotal");
ALTER TABLE "HostNode" ADD CONSTRAINT node_min_chunk_power_of_two CHECK ("minChunk" > 0 AND ("minChunk" & ("minChunk" - 1)) = 0);
ALTER TABLE "HostNode" ADD CONSTRAINT node_reputation_range CHECK ("reputationScore" BETWEEN 0 AND 200);
-- A retired node is not for rent.
ALTER TABLE "HostNode" ADD CONSTRAINT node_retired_unlisted CHECK (lifecycle <> 'retired' OR listing = 'unlisted');
-- One open downtime per node.
CREATE UNIQUE INDEX node_downtime_one_open ON "NodeDowntime" ("nodeId") WHERE "toAt" IS NULL;
ALTER TABLE "NodeDowntime" ADD CONSTRAINT node_downtime_forward CHECK ("toAt" IS NULL OR "toAt" >= "fromAt");

-- A public port has one holder (its row), and a rental has one public port per container port.
ALTER TABLE "TunnelPort" ADD CONSTRAINT tunnel_port_range CHECK (port BETWEEN 1 AND 65535);
ALTER TABLE "TunnelPort" ADD CONSTRAINT tunnel_port_held_whole CHECK (("rentalId" IS NULL) = ("containerPort" IS NULL));
CREATE UNIQUE INDEX tunnel_port_one_per_container_port ON "TunnelPort" ("rentalId", "containerPort") WHERE "rentalId" IS NOT NULL;

-- A rental that ran has a first second; one that failed before running cost nothing; a claim is freed only at the end.
ALTER TABLE "Rental" ADD CONSTRAINT rental_running_has_start CHECK (status NOT IN ('running') OR ("startTime" IS NOT NULL AND "billedThrough" IS NOT NULL));
ALTER TABLE "Rental" ADD CONSTRAINT rental_failed_is_free CHECK (status <> 'failed' OR ("settledMicro" = 0 AND "startTime" IS NULL));
ALTER TABLE "Rental" ADD CONSTRAINT rental_end_after_start CHECK ("endTime" IS NULL OR "startTime" IS NULL OR "endTime" >= "startTime");
ALTER TABLE "Rental" ADD CONSTRAINT rental_release_is_terminal CHECK ("releasedAt" IS NULL OR status IN ('ended', 'failed', 'lost', 'stopped'));
ALTER TABLE "Rental" ADD CONSTRAINT rental_money_not_negative CHECK ("rateMicroHour" >= 0 AND "settledMicro" >= 0 AND "billedSeconds" >= 0);
ALTER TABLE "Rental" ADD CONSTRAINT rental_spend_limit_kept CHECK ("maxSpendMicro" IS NULL OR "settledMicro" <= "maxSpendMicro");

-- No second of a rental is unbilled twice or billed twice.
ALTER TABLE "RentalGap" ADD CONSTRAINT rental_gap_forward CHECK ("toAt" > "fromAt");
ALTER TABLE "RentalGap" ADD CONSTRAINT rental_gap_no_overlap EXCLUDE USING gist ("rentalId" WITH =, tstzrange("fromAt", "toAt") WITH &&);
ALTER TABLE "RentalCharge" ADD CONSTRAINT rental_charge_forward CHECK ("toAt" > "fromAt" AND seconds >= 0 AND "amountMicro" >= 0);
ALTER TABLE "RentalCharge" ADD CONSTRAINT rental_charge_no_overlap EXCLUDE USING gist ("rentalId" WITH =, tstzrange("fromAt", "toAt") WITH &&);

-- Money: one row moves one amount from one account to another, for ever.
ALTER TABLE "LedgerTransfer" ADD CONSTRAINT transfer_amount_positive CHECK ("amountMicro" > 0);
ALTER TABLE "LedgerTransfer" ADD CONSTRAINT transfer_two_accounts CHECK ("debitAccountId" <> "creditAccountId");
ALTER TABLE "LedgerAccount" ADD CONSTRAINT account_floor_kept CHECK (floor IS NULL OR balance >= floor);
ALTER TABLE "LedgerAccount" ADD CONSTRAINT account_user_floor CHECK (kind NOT IN ('prepaid', 'earnings') OR ("ownerId" IS NOT NULL AND floor IS NOT NULL AND floor >= 0));
-- "NULLS NOT DISTINCT" would do it too, but the platform's own accounts are the only ones without an owner.
CREATE UNIQUE INDEX account_one_per_kind_of_market ON "LedgerAccount" (kind) WHERE "ownerId" IS NULL;

CREATE FUNCTION muster_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% rows are never changed or deleted', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER transfer_immutable BEFORE UPDATE OR DELETE ON "LedgerTransfer" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER transfer_not_truncated BEFORE TRUNCATE ON "LedgerTransfer" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER transaction_immutable BEFORE UPDATE OR DELETE ON "Transaction" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER transaction_not_truncated BEFORE TRUNCATE ON "Transaction" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER charge_immutable BEFORE UPDATE OR DELETE ON "RentalCharge" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER charge_not_truncated BEFORE TRUNCATE ON "RentalCharge" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();

-- Balances follow transfers, once per statement and account, in account order (no deadlock between two batches).
-- NO KEY: the foreign keys of two concurrent transfers share-lock the same accounts, and neither could then lock them whole.
CREATE FUNCTION muster_move_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM "LedgerAccount" a
    WHERE a.id IN (SELECT "debitAccountId" FROM moved UNION SELECT "creditAccountId" FROM moved)
    ORDER BY a.id FOR NO KEY UPDATE;
  UPDATE "LedgerAccount" a SET balance = a.balance + d.delta
    FROM (SELECT account, sum(amount) AS delta FROM (
            SELECT "creditAccountId" AS account, "amountMicro" AS amount FROM moved
            UNION ALL SELECT "debitAccountId", -"amountMicro" FROM moved) m GROUP BY account) d
    WHERE a.id = d.account AND d.delta <> 0;
  RETURN NULL;
END $$;
CREATE TRIGGER transfer_moves_balances AFTER INSERT ON "LedgerTransfer"
  REFERENCING NEW TABLE AS moved FOR EACH STATEMENT EXECUTE FUNCTION muster_move_balances();

-- A balance moves only from inside that trigger; User.balance is its shadow.
CREATE FUNCTION muster_guard_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF pg_trigger_depth() < 2 THEN
    RAISE EXCEPTION 'a balance changes only through a transfer' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER account_balance_guarded BEFORE UPDATE OF balance ON "LedgerAccount"
  FOR EACH ROW WHEN (OLD.balance IS DISTINCT FROM NEW.balance) EXECUTE FUNCTION muster_guard_balance();
CREATE TRIGGER user_balance_guarded BEFORE UPDATE OF balance ON "User"
  FOR EACH ROW WHEN (OLD.balance IS DISTINCT FROM NEW.balance) EXECUTE FUNCTION muster_guard_balance();
CREATE FUNCTION muster_new_account_empty() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.balance <> 0 THEN RAISE EXCEPTION 'an account starts empty' USING ERRCODE = 'restrict_violation'; END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER account_starts_empty BEFORE INSERT ON "LedgerAccount" FOR EACH ROW EXECUTE FUNCTION muster_new_account_empty();

-- Once per statement: settling ten thousand rentals mirrors ten thousand balances in one update.
CREATE FUNCTION muster_mirror_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "User" u SET balance = a.balance / 1000000.0
    FROM changed a WHERE a.kind = 'prepaid' AND u.id = a."ownerId" AND u.balance <> a.balance / 1000000.0;
  RETURN NULL;
END $$;
CREATE TRIGGER account_mirrors_to_user AFTER UPDATE ON "LedgerAccount"
  REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION muster_mirror_balance();

-- Rows that are updated all the time keep room on their page, so that an update which touches no index writes no index.
ALTER TABLE "User" SET (fillfactor = 80);
ALTER TABLE "LedgerAccount" SET (fillfactor = 80);
ALTER TABLE "Rental" SET (fillfactor = 80);
ALTER TABLE "HostNode" SET (fillfactor = 80);

-- What still has to be delivered.
CREATE INDEX outbox_unpublished ON "OutboxEvent" (id) WHERE "publishedAt" IS NULL;

-- The market's own accounts and the shipped template.
INSERT INTO "LedgerAccount" (id, kind) VALUES
  ('00000000-0000-7000-8000-000000000001', 'payments_in'),
  ('00000000-0000-7000-8000-000000000002', 'platform_fee');
INSERT INTO "Template" (slug, title, image, ports, ssh, "readyPort", "jupyterPort", command) VALUES
  ('workspace', 'Debian 12 workspace: SSH, JupyterLab, Python, git, rsync, tmux', 'muster/workspace', '{22,8888}', true, 22, 8888, '{}');
