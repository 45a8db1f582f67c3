-- CreateEnum
CREATE TYPE "NodeTransport" AS ENUM ('socket', 'http');

-- CreateEnum
CREATE TYPE "DistinctBy" AS ENUM ('owner', 'node');

-- CreateEnum
CREATE TYPE "JobStatus" AS ENUM ('pending', 'scheduled', 'running', 'verifying', 'completed', 'failed', 'cancelled');

-- CreateEnum
CREATE TYPE "TaskStatus" AS ENUM ('open', 'quorum_pending', 'disputed', 'final', 'failed', 'cancelled');

-- CreateEnum
CREATE TYPE "ExecutionStatus" AS ENUM ('ready', 'leased', 'running', 'reported', 'expired', 'errored', 'unneeded');

-- CreateEnum
CREATE TYPE "ExecutionVerdict" AS ENUM ('none', 'valid', 'invalid', 'late_valid');

-- AlterEnum
ALTER TYPE "AccountKind" ADD VALUE 'escrow';

-- AlterTable
ALTER TABLE "User" ADD COLUMN     "wallName" TEXT,
ADD COLUMN     "wallShown" BOOLEAN NOT NULL DEFAULT true;

-- AlterTable
ALTER TABLE "HostNode" ADD COLUMN     "transport" "NodeTransport" NOT NULL DEFAULT 'socket',
ALTER COLUMN "publicKey" DROP NOT NULL;

-- AlterTable
ALTER TABLE "Gpu" ADD COLUMN     "executionId" UUID;

-- AlterTable
ALTER TABLE "LedgerAccount" ADD COLUMN     "jobId" UUID;

-- CreateTable
CREATE TABLE "Job" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "dockerImage" TEXT NOT NULL,
    "command" JSONB NOT NULL,
    "environment" JSONB NOT NULL,
    "inputData" TEXT,
    "requiredCpu" INTEGER NOT NULL DEFAULT 1,
    "requiredMemory" INTEGER NOT NULL DEFAULT 1,
    "memoryMb" INTEGER NOT NULL DEFAULT 512,
    "diskGb" INTEGER NOT NULL DEFAULT 1,
    "numGpus" INTEGER NOT NULL DEFAULT 0,
    "requiredGpu" BOOLEAN NOT NULL DEFAULT false,
    "redundancy" INTEGER NOT NULL DEFAULT 3,
    "consensus" INTEGER NOT NULL DEFAULT 2,
    "maxCopies" INTEGER NOT NULL DEFAULT 7,
    "maxErrors" INTEGER NOT NULL DEFAULT 3,
    "distinctBy" "DistinctBy" NOT NULL,
    "minReputation" INTEGER NOT NULL DEFAULT 0,
    "timeoutS" INTEGER NOT NULL DEFAULT 300,
    "spec" JSONB NOT NULL,
    "status" "JobStatus" NOT NULL DEFAULT 'pending',
    "submittedBy" UUID NOT NULL,
    "submittedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMPTZ(3),
    "completedAt" TIMESTAMPTZ(3),
    "result" TEXT,
    "resultHash" TEXT,
    "resultKey" TEXT,
    "errorMessage" TEXT,
    "faultCode" TEXT,
    "waitingCode" TEXT,
    "waitingMessage" TEXT,
    "creditsRequired" BIGINT NOT NULL DEFAULT 1,
    "rateCapMicroHour" BIGINT NOT NULL,
    "heldMicro" BIGINT NOT NULL DEFAULT 0,
    "paidMicro" BIGINT NOT NULL DEFAULT 0,
    "refundedMicro" BIGINT NOT NULL DEFAULT 0,
    "tasksTotal" INTEGER NOT NULL,
    "tasksFinal" INTEGER NOT NULL DEFAULT 0,
    "tasksFailed" INTEGER NOT NULL DEFAULT 0,
    "servedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT '-infinity'::timestamp with time zone,
    "keptUntil" TIMESTAMPTZ(3),

    CONSTRAINT "Job_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Task" (
    "id" UUID NOT NULL,
    "jobId" UUID NOT NULL,
    "index" INTEGER NOT NULL,
    "kind" TEXT NOT NULL DEFAULT 'task',
    "label" TEXT NOT NULL DEFAULT '',
    "environment" JSONB NOT NULL DEFAULT '{}',
    "part" JSONB,
    "status" "TaskStatus" NOT NULL DEFAULT 'open',
    "copies" INTEGER NOT NULL,
    "resultHash" TEXT,
    "canonicalId" UUID,
    "faultCode" TEXT,
    "faultMessage" TEXT,
    "decidedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Task_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "JobExecution" (
    "id" UUID NOT NULL,
    "jobId" UUID NOT NULL,
    "taskId" UUID NOT NULL,
    "copy" INTEGER NOT NULL,
    "attempt" INTEGER NOT NULL DEFAULT 1,
    "purpose" TEXT NOT NULL DEFAULT 'copy',
    "nodeId" UUID,
    "ownerId" UUID,
    "distinctKey" UUID,
    "status" "ExecutionStatus" NOT NULL DEFAULT 'ready',
    "verdict" "ExecutionVerdict" NOT NULL DEFAULT 'none',
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMPTZ(3),
    "leaseUntil" TIMESTAMPTZ(3),
    "completedAt" TIMESTAMPTZ(3),
    "result" BYTEA,
    "resultHash" TEXT,
    "manifest" JSONB,
    "archiveKey" TEXT,
    "exitCode" INTEGER,
    "faultCode" TEXT,
    "faultBlame" TEXT,
    "errorMessage" TEXT,
    "logs" TEXT NOT NULL DEFAULT '',
    "durationMs" INTEGER,
    "imageDigest" TEXT,
    "rateMicroHour" BIGINT NOT NULL DEFAULT 0,
    "paidMicro" BIGINT NOT NULL DEFAULT 0,
    "transferId" UUID,
    "reputationDelta" INTEGER NOT NULL DEFAULT 0,
    "batchSeq" BIGINT,

    CONSTRAINT "JobExecution_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "ResultBatch" (
    "nodeId" UUID NOT NULL,
    "seq" BIGINT NOT NULL,
    "root" TEXT NOT NULL,
    "count" INTEGER NOT NULL,
    "signature" TEXT NOT NULL,
    "receivedAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ResultBatch_pkey" PRIMARY KEY ("nodeId","seq")
);

-- CreateTable
CREATE TABLE "Upload" (
    "id" UUID NOT NULL,
    "userId" UUID NOT NULL,
    "size" BIGINT NOT NULL,
    "sha256" TEXT NOT NULL,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "storedAt" TIMESTAMPTZ(3),

    CONSTRAINT "Upload_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "LedgerEntry" (
    "id" UUID NOT NULL,
    "eventType" TEXT NOT NULL,
    "nodeId" UUID,
    "jobId" UUID,
    "ownerId" UUID,
    "credits" DECIMAL(20,3) NOT NULL,
    "data" JSONB NOT NULL DEFAULT '{}',
    "timestamp" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "seq" BIGINT,
    "prevHash" TEXT,
    "hash" TEXT,
    "signature" TEXT,

    CONSTRAINT "LedgerEntry_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Job_submittedBy_submittedAt_idx" ON "Job"("submittedBy", "submittedAt");

-- CreateIndex
CREATE UNIQUE INDEX "Task_jobId_index_key" ON "Task"("jobId", "index");

-- CreateIndex
CREATE INDEX "JobExecution_jobId_id_idx" ON "JobExecution"("jobId", "id");

-- CreateIndex
CREATE UNIQUE INDEX "JobExecution_taskId_purpose_copy_attempt_key" ON "JobExecution"("taskId", "purpose", "copy", "attempt");

-- CreateIndex
CREATE INDEX "Upload_userId_createdAt_idx" ON "Upload"("userId", "createdAt");

-- CreateIndex
CREATE UNIQUE INDEX "LedgerEntry_seq_key" ON "LedgerEntry"("seq");

-- CreateIndex
CREATE INDEX "LedgerEntry_nodeId_timestamp_idx" ON "LedgerEntry"("nodeId", "timestamp");

-- CreateIndex
CREATE INDEX "LedgerEntry_jobId_idx" ON "LedgerEntry"("jobId");

-- CreateIndex
CREATE INDEX "LedgerEntry_ownerId_timestamp_idx" ON "LedgerEntry"("ownerId", "timestamp");

-- CreateIndex
CREATE INDEX "Gpu_executionId_idx" ON "Gpu"("executionId");

-- CreateIndex
CREATE UNIQUE INDEX "LedgerAccount_jobId_key" ON "LedgerAccount"("jobId");

-- AddForeignKey
ALTER TABLE "Gpu" ADD CONSTRAINT "Gpu_executionId_fkey" FOREIGN KEY ("executionId") REFERENCES "JobExecution"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Job" ADD CONSTRAINT "Job_submittedBy_fkey" FOREIGN KEY ("submittedBy") REFERENCES "User"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Task" ADD CONSTRAINT "Task_jobId_fkey" FOREIGN KEY ("jobId") REFERENCES "Job"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "JobExecution" ADD CONSTRAINT "JobExecution_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "HostNode"("id") ON DELETE SET NULL ON UPDATE CASCADE;

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
