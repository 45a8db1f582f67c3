-- What no code may break in jobs and their money. The tail of this migration; tried by guards.spec.ts like guards.sql.
-- Money of a job waits in an account of its own. (A new value of an enum cannot be named in the transaction that adds it.)
DROP INDEX account_one_per_kind_of_market;
CREATE UNIQUE INDEX account_one_per_kind_of_market ON "LedgerAccount" (kind) WHERE "ownerId" IS NULL AND "jobId" IS NULL;
ALTER TABLE "LedgerAccount" ADD CONSTRAINT account_escrow_of_job
  CHECK ((kind::text = 'escrow') = ("jobId" IS NOT NULL) AND (kind::text <> 'escrow' OR (floor IS NOT NULL AND floor = 0 AND "ownerId" IS NULL)));

-- Jobs: k of n, money within its hold, one live copy of a task per owner or node, one holder per device.
ALTER TABLE "Job" ADD CONSTRAINT job_k_of_n CHECK (consensus BETWEEN 1 AND redundancy AND redundancy <= "maxCopies");
ALTER TABLE "Job" ADD CONSTRAINT job_money_within_hold CHECK ("paidMicro" >= 0 AND "refundedMicro" >= 0 AND "paidMicro" + "refundedMicro" <= "heldMicro");
ALTER TABLE "Job" ADD CONSTRAINT job_terminal_has_end CHECK ((status IN ('completed', 'failed', 'cancelled')) = ("completedAt" IS NOT NULL));
CREATE INDEX job_open ON "Job" ("servedAt") WHERE status NOT IN ('completed', 'failed', 'cancelled');
-- Of these the rest of the escrow is to be given back.
CREATE INDEX job_unsettled ON "Job" (id) WHERE status IN ('completed', 'failed', 'cancelled') AND "paidMicro" + "refundedMicro" < "heldMicro";
ALTER TABLE "Task" ADD CONSTRAINT task_final_has_result CHECK (status <> 'final' OR ("resultHash" IS NOT NULL AND "canonicalId" IS NOT NULL AND "decidedAt" IS NOT NULL));
ALTER TABLE "JobExecution" ADD CONSTRAINT execution_leased_has_node CHECK (status IN ('ready', 'unneeded') OR ("nodeId" IS NOT NULL AND "ownerId" IS NOT NULL AND "distinctKey" IS NOT NULL));
ALTER TABLE "JobExecution" ADD CONSTRAINT execution_live_has_lease CHECK (status NOT IN ('leased', 'running') OR ("leaseUntil" IS NOT NULL AND "startedAt" IS NOT NULL));
ALTER TABLE "JobExecution" ADD CONSTRAINT execution_report_has_hash CHECK (status <> 'reported' OR "resultHash" ~ '^[0-9a-f]{64}$');
ALTER TABLE "JobExecution" ADD CONSTRAINT execution_paid_is_valid CHECK ("paidMicro" = 0 OR verdict IN ('valid', 'late_valid'));
ALTER TABLE "JobExecution" ADD CONSTRAINT execution_verdict_of_report CHECK (verdict = 'none' OR status = 'reported');
-- A run that its node lost, or failed by its own doing, says nothing about the task: the same one may have it again.
CREATE UNIQUE INDEX execution_one_per_distinct ON "JobExecution" ("taskId", "distinctKey")
  WHERE purpose = 'copy' AND (status IN ('leased', 'running', 'reported') OR (status = 'errored' AND "faultBlame" = 'job'));
CREATE INDEX execution_ready ON "JobExecution" ("jobId", id) WHERE status = 'ready';
CREATE INDEX execution_archive_due ON "JobExecution" ("taskId") WHERE manifest IS NOT NULL AND "archiveKey" IS NULL;
CREATE INDEX execution_leases ON "JobExecution" ("leaseUntil") WHERE status IN ('leased', 'running');
CREATE INDEX execution_of_node ON "JobExecution" ("nodeId") WHERE status IN ('leased', 'running');
CREATE INDEX execution_live_of_job ON "JobExecution" ("jobId") WHERE status IN ('leased', 'running');
ALTER TABLE "Gpu" ADD CONSTRAINT gpu_one_holder CHECK ("rentalId" IS NULL OR "executionId" IS NULL);
CREATE INDEX ledger_entry_unsealed ON "LedgerEntry" (id) WHERE seq IS NULL;
ALTER TABLE "LedgerEntry" ADD CONSTRAINT ledger_entry_sealed_whole CHECK ((seq IS NULL) = (hash IS NULL) AND (seq IS NULL) = ("prevHash" IS NULL) AND (seq IS NULL) = (signature IS NULL));

-- A copy belongs to a task of its job for good, and what was submitted, run and paid stays to be read.
CREATE FUNCTION muster_copies_have_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM made m WHERE NOT EXISTS (SELECT 1 FROM "Task" t WHERE t.id = m."taskId" AND t."jobId" = m."jobId")) THEN
    RAISE EXCEPTION 'an execution names a task that its job does not have' USING ERRCODE = 'foreign_key_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER execution_has_task AFTER INSERT ON "JobExecution" REFERENCING NEW TABLE AS made FOR EACH STATEMENT EXECUTE FUNCTION muster_copies_have_tasks();
CREATE TRIGGER execution_kept BEFORE DELETE OR UPDATE OF id, "jobId", "taskId" ON "JobExecution" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER task_kept BEFORE DELETE OR UPDATE OF id, "jobId" ON "Task" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER job_kept BEFORE DELETE OR UPDATE OF id ON "Job" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();

-- Append-only: nothing but its seal is ever written to an entry, and that once.
CREATE FUNCTION muster_only_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.seq IS NOT NULL OR (to_jsonb(NEW) - '{seq,prevHash,hash,signature}'::text[]) <> (to_jsonb(OLD) - '{seq,prevHash,hash,signature}'::text[]) THEN
    RAISE EXCEPTION 'an entry of the ledger changes only by its seal' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledger_entry_sealed_once BEFORE UPDATE ON "LedgerEntry" FOR EACH ROW EXECUTE FUNCTION muster_only_sealed();
CREATE TRIGGER ledger_entry_kept BEFORE DELETE ON "LedgerEntry" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();
CREATE TRIGGER ledger_entry_not_truncated BEFORE TRUNCATE ON "LedgerEntry" FOR EACH STATEMENT EXECUTE FUNCTION muster_refuse_change();

-- Rows that are updated all the time keep room on their page.
ALTER TABLE "JobExecution" SET (fillfactor = 70);
ALTER TABLE "Task" SET (fillfactor = 80);
ALTER TABLE "Job" SET (fillfactor = 80);
