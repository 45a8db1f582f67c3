-- AlterTable
ALTER TABLE "Rental" ADD COLUMN     "telemetrySlot" INTEGER;

-- CreateTable
CREATE TABLE "NodeFinding" (
    "id" UUID NOT NULL,
    "nodeId" UUID NOT NULL,
    "code" TEXT NOT NULL,
    "gpuUuid" TEXT,
    "severity" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "bootId" TEXT,
    "delisted" BOOLEAN NOT NULL DEFAULT false,
    "since" TIMESTAMPTZ(3) NOT NULL,
    "clearedAt" TIMESTAMPTZ(3),

    CONSTRAINT "NodeFinding_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "NodeFinding_nodeId_since_idx" ON "NodeFinding"("nodeId", "since");

-- AddForeignKey
ALTER TABLE "NodeFinding" ADD CONSTRAINT "NodeFinding_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "HostNode"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- What no code may break in findings. The tail of this migration; tried by guards.spec.ts like guards.sql.
-- Replicas may see the same fault in the same moment: it is found once.
CREATE UNIQUE INDEX node_finding_open_once ON "NodeFinding" ("nodeId", code, coalesce("gpuUuid", '')) WHERE "clearedAt" IS NULL;
ALTER TABLE "NodeFinding" ADD CONSTRAINT node_finding_severity CHECK (severity IN ('quarantine', 'delist', 'warn'));
ALTER TABLE "NodeFinding" ADD CONSTRAINT node_finding_ends_after_start CHECK ("clearedAt" >= since);
-- A place is one instance's for as long as it is there.
CREATE UNIQUE INDEX rental_telemetry_slot_once ON "Rental" ("nodeId", "telemetrySlot") WHERE "telemetrySlot" IS NOT NULL AND "releasedAt" IS NULL;
