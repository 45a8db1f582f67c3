-- CreateTable
CREATE TABLE "Offer" (
    "id" TEXT COLLATE "C" NOT NULL,
    "nodeId" UUID NOT NULL,
    "ownerId" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "numGpus" INTEGER NOT NULL,
    "gpuName" TEXT COLLATE "C",
    "gpuPlain" TEXT COLLATE "C",
    "gpuRamMb" INTEGER NOT NULL,
    "gpuTotalRamMb" BIGINT NOT NULL,
    "computeCap" INTEGER,
    "cudaMaxGood" INTEGER,
    "driverVersion" INTEGER[],
    "cpuName" TEXT COLLATE "C" NOT NULL,
    "cpuArch" TEXT COLLATE "C" NOT NULL,
    "cpuCores" INTEGER NOT NULL,
    "cpuRamMb" INTEGER NOT NULL,
    "diskSpace" INTEGER NOT NULL,
    "dphTotalMicro" BIGINT NOT NULL,
    "dphBaseMicro" BIGINT NOT NULL,
    "storageCostMicro" BIGINT NOT NULL,
    "inetUpCostMicro" BIGINT NOT NULL,
    "inetDownCostMicro" BIGINT NOT NULL,
    "reliabilityPpm" INTEGER NOT NULL,
    "reputation" INTEGER NOT NULL,
    "geolocation" TEXT COLLATE "C",
    "isolation" TEXT COLLATE "C" NOT NULL,
    "tier" TEXT COLLATE "C" NOT NULL,
    "nodeName" TEXT COLLATE "C" NOT NULL,
    "view" JSONB NOT NULL,

    CONSTRAINT "Offer_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "OfferStale" (
    "id" BIGSERIAL NOT NULL,
    "nodeId" UUID NOT NULL,

    CONSTRAINT "OfferStale_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "Offer_dphTotalMicro_id_idx" ON "Offer"("dphTotalMicro", "id");

-- CreateIndex
CREATE INDEX "Offer_gpuName_numGpus_dphTotalMicro_idx" ON "Offer"("gpuName", "numGpus", "dphTotalMicro");

-- CreateIndex
CREATE INDEX "Offer_nodeId_idx" ON "Offer"("nodeId");

-- AddForeignKey
ALTER TABLE "Offer" ADD CONSTRAINT "Offer_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "HostNode"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- A row that a filter reads is narrow: what is only answered lies outside of it.
ALTER TABLE "Offer" ALTER COLUMN view SET STORAGE EXTERNAL;
ALTER TABLE "Offer" SET (toast_tuple_target = 256, fillfactor = 80);
-- A queue: emptied as fast as it fills.
ALTER TABLE "OfferStale" SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);

-- Whatever changes what a node has for rent says so in its own transaction. Columns that offers do not show (heartbeats,
-- generations, counters of jobs) say nothing; a node that only speaks HTTP has no offers.
CREATE FUNCTION muster_offers_stale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "OfferStale" ("nodeId") VALUES (NEW.id);
  RETURN NULL;
END $$;
CREATE TRIGGER node_new_has_offers AFTER INSERT ON "HostNode" FOR EACH ROW WHEN (NEW.transport = 'socket') EXECUTE FUNCTION muster_offers_stale();
CREATE TRIGGER node_changes_offers AFTER UPDATE OF "ownerId", name, specs, "pricingConfig", "locationData", tier, lifecycle, presence, listing, transport, "reputationScore",
  "startsOk", "startsFailed", "minChunk", "cpuTotal", "cpuUsed", "ramMbTotal", "ramMbUsed", "diskGbTotal", "diskGbUsed" ON "HostNode"
  FOR EACH ROW WHEN (OLD.transport = 'socket' OR NEW.transport = 'socket') EXECUTE FUNCTION muster_offers_stale();

CREATE FUNCTION muster_gpu_offers_stale() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "OfferStale" ("nodeId") SELECT DISTINCT "nodeId" FROM changed;
  RETURN NULL;
END $$;
CREATE TRIGGER gpu_new_changes_offers AFTER INSERT ON "Gpu" REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION muster_gpu_offers_stale();
CREATE TRIGGER gpu_changes_offers AFTER UPDATE ON "Gpu" REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION muster_gpu_offers_stale();
CREATE TRIGGER gpu_gone_changes_offers AFTER DELETE ON "Gpu" REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION muster_gpu_offers_stale();

-- Nodes of earlier versions get their offers.
INSERT INTO "OfferStale" ("nodeId") SELECT id FROM "HostNode" WHERE transport = 'socket';
