-- CreateTable
CREATE TABLE "Notification" (
    "id" UUID NOT NULL,
    "userId" UUID NOT NULL,
    "eventId" BIGINT NOT NULL,
    "kind" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "message" TEXT NOT NULL,
    "subjectKind" TEXT,
    "subjectId" UUID,
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "readAt" TIMESTAMPTZ(3),

    CONSTRAINT "Notification_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "PriceHour" (
    "gpuName" TEXT NOT NULL,
    "at" TIMESTAMPTZ(3) NOT NULL,
    "nodes" INTEGER NOT NULL,
    "p10Micro" BIGINT NOT NULL,
    "medianMicro" BIGINT NOT NULL,
    "p90Micro" BIGINT NOT NULL,

    CONSTRAINT "PriceHour_pkey" PRIMARY KEY ("gpuName","at")
);

-- CreateTable
CREATE TABLE "NodeMaintenance" (
    "id" UUID NOT NULL,
    "nodeId" UUID NOT NULL,
    "fromAt" TIMESTAMPTZ(3) NOT NULL,
    "toAt" TIMESTAMPTZ(3) NOT NULL,
    "reason" TEXT NOT NULL DEFAULT '',
    "createdAt" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "startedAt" TIMESTAMPTZ(3),
    "wasListed" BOOLEAN NOT NULL DEFAULT false,
    "endedAt" TIMESTAMPTZ(3),
    "cancelledAt" TIMESTAMPTZ(3),

    CONSTRAINT "NodeMaintenance_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Notification_userId_createdAt_id_idx" ON "Notification"("userId", "createdAt", "id");

-- CreateIndex
CREATE UNIQUE INDEX "Notification_userId_eventId_kind_key" ON "Notification"("userId", "eventId", "kind");

-- CreateIndex
CREATE INDEX "PriceHour_at_idx" ON "PriceHour"("at");

-- CreateIndex
CREATE INDEX "NodeMaintenance_nodeId_fromAt_idx" ON "NodeMaintenance"("nodeId", "fromAt");

-- CreateIndex
CREATE INDEX "OutboxEvent_actorId_id_idx" ON "OutboxEvent"("actorId", "id");

-- AddForeignKey
ALTER TABLE "Notification" ADD CONSTRAINT "Notification_userId_fkey" FOREIGN KEY ("userId") REFERENCES "User"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "NodeMaintenance" ADD CONSTRAINT "NodeMaintenance_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "HostNode"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- A time of maintenance goes forward, and at the end of it only one thing has happened; a node has one at a time.
ALTER TABLE "NodeMaintenance" ADD CONSTRAINT maintenance_forward CHECK ("toAt" > "fromAt");
ALTER TABLE "NodeMaintenance" ADD CONSTRAINT maintenance_one_end CHECK ("endedAt" IS NULL OR "cancelledAt" IS NULL);
CREATE UNIQUE INDEX maintenance_one_open ON "NodeMaintenance" ("nodeId") WHERE "endedAt" IS NULL AND "cancelledAt" IS NULL;
