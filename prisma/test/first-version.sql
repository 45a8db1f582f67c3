-- Money as the first version wrote it, after 20261121000000_init alone: balances by its triggers, lines and bills by its statements.
-- Ada's rental runs and was settled three times, with a gap; Bob's has ended, its second charge was less than a micro-dollar; one
-- failed and cost nothing; one is starting.
INSERT INTO "User" (id, email, "passwordHash") VALUES
  ('00000000-0000-7000-8000-0000000000a1', 'ada@example.org', 'hash'),
  ('00000000-0000-7000-8000-0000000000b1', 'bob@example.org', 'hash'),
  ('00000000-0000-7000-8000-0000000000c1', 'hal@example.org', 'hash');
INSERT INTO "TunnelServer" (id, name, "publicHost", "probeHost", "frpsPort", "firstPort", "lastPort", "caPem") VALUES
  ('00000000-0000-7000-8000-0000000000d1', 'main', 'localhost', '127.0.0.1', 7000, 20000, 29999, '');
INSERT INTO "HostNode" (id, "ownerId", name, "publicKey", specs, "pricingConfig", "cpuTotal", "cpuUsed", "ramMbTotal", "ramMbUsed", "diskGbTotal", "diskGbUsed") VALUES
  ('00000000-0000-7000-8000-0000000000e1', '00000000-0000-7000-8000-0000000000c1', 'node', 'key', '{}', '{}', 8, 3, 16384, 3072, 100, 30);

INSERT INTO "Rental" (id, "renterId", "nodeId", status, "startTime", "endTime", "releasedAt", "billedThrough", "billedSeconds", "settledMicro", "costPerHour", "rateMicroHour",
  "maxSpendMicro", "numGpus", "cpuCores", "ramMb", "diskGb", "offerId", "templateSlug", image, "specHash", spec, "sealedSecrets", "priceParts") VALUES
  ('00000000-0000-7000-8000-0000000000f1', '00000000-0000-7000-8000-0000000000a1', '00000000-0000-7000-8000-0000000000e1', 'running', '2026-01-01T00:00Z', NULL, NULL,
   '2026-01-01T02:00:30Z', 6630, 184166, 0.1, 100000, 1000000, 1, 2, 2048, 20, 'offer', 'workspace', 'muster/workspace', 'hash', '{}', '', '{}'),
  ('00000000-0000-7000-8000-0000000000f2', '00000000-0000-7000-8000-0000000000b1', '00000000-0000-7000-8000-0000000000e1', 'ended', '2026-01-01T00:00Z', '2026-01-01T01:30Z', '2026-01-01T01:31Z',
   '2026-01-01T01:30Z', 5400, 1, 0.000001, 1, NULL, 0, 1, 1024, 10, 'offer', 'workspace', 'muster/workspace', 'hash', '{}', '', '{}'),
  ('00000000-0000-7000-8000-0000000000f3', '00000000-0000-7000-8000-0000000000b1', '00000000-0000-7000-8000-0000000000e1', 'failed', NULL, '2026-01-01T00:01Z', '2026-01-01T00:02Z',
   NULL, 0, 0, 0.1, 100000, NULL, 0, 1, 1024, 10, 'offer', 'workspace', 'muster/workspace', 'hash', '{}', '', '{}'),
  ('00000000-0000-7000-8000-0000000000f4', '00000000-0000-7000-8000-0000000000b1', '00000000-0000-7000-8000-0000000000e1', 'starting', NULL, NULL, NULL,
   NULL, 0, 0, 0.1, 100000, NULL, 0, 1, 1024, 10, 'offer', 'workspace', 'muster/workspace', 'hash', '{}', '', '{}');
INSERT INTO "Gpu" (id, "nodeId", uuid, index, name, "gpuRamMb", "rentalId") VALUES
  (gen_random_uuid(), '00000000-0000-7000-8000-0000000000e1', 'GPU-0', 0, 'x', 1, '00000000-0000-7000-8000-0000000000f1');
INSERT INTO "TunnelPort" ("tunnelServerId", port, "rentalId", "containerPort") VALUES
  ('00000000-0000-7000-8000-0000000000d1', 20000, '00000000-0000-7000-8000-0000000000f1', 22);
INSERT INTO "RentalGap" (id, "rentalId", "fromAt", "toAt", cause) VALUES
  (gen_random_uuid(), '00000000-0000-7000-8000-0000000000f1', '2026-01-01T01:10Z', '2026-01-01T01:20Z', 'node');
INSERT INTO "RentalEvent" (id, "rentalId", kind, message) VALUES
  (gen_random_uuid(), '00000000-0000-7000-8000-0000000000f1', 'running', 'ready');

INSERT INTO "LedgerAccount" (id, "ownerId", kind, floor) VALUES
  ('00000000-0000-7000-8000-0000000000a2', '00000000-0000-7000-8000-0000000000a1', 'prepaid', 0),
  ('00000000-0000-7000-8000-0000000000b2', '00000000-0000-7000-8000-0000000000b1', 'prepaid', 0),
  ('00000000-0000-7000-8000-0000000000c2', '00000000-0000-7000-8000-0000000000c1', 'prepaid', 0),
  ('00000000-0000-7000-8000-0000000000c3', '00000000-0000-7000-8000-0000000000c1', 'earnings', 0);
INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind, "referenceId") VALUES
  ('10000000-0000-4000-8000-000000000001', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000a2', 25000000, 'grant', NULL),
  ('10000000-0000-4000-8000-000000000002', '00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-0000000000b2', 10000000, 'grant', NULL),
  ('10000000-0000-4000-8000-000000000003', '00000000-0000-7000-8000-0000000000b2', '00000000-0000-7000-8000-000000000001', 1, 'correction', NULL);
INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind, "referenceId") VALUES
  ('10000000-0000-4000-8000-000000000011', '00000000-0000-7000-8000-0000000000a2', '00000000-0000-7000-8000-0000000000c3', 100000, 'rental', '00000000-0000-7000-8000-0000000000f1'),
  ('10000000-0000-4000-8000-000000000012', '00000000-0000-7000-8000-0000000000a2', '00000000-0000-7000-8000-0000000000c3', 83333, 'rental', '00000000-0000-7000-8000-0000000000f1'),
  ('10000000-0000-4000-8000-000000000013', '00000000-0000-7000-8000-0000000000a2', '00000000-0000-7000-8000-0000000000c3', 833, 'rental', '00000000-0000-7000-8000-0000000000f1'),
  ('10000000-0000-4000-8000-000000000021', '00000000-0000-7000-8000-0000000000b2', '00000000-0000-7000-8000-0000000000c3', 1, 'rental', '00000000-0000-7000-8000-0000000000f2'),
  ('10000000-0000-4000-8000-000000000031', '00000000-0000-7000-8000-0000000000c3', '00000000-0000-7000-8000-000000000002', 5000, 'fee', NULL);
INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro", "transferId") VALUES
  ('00000000-0000-7000-8000-0000000000f1', '2026-01-01T00:00Z', '2026-01-01T01:00Z', 3600, 100000, '10000000-0000-4000-8000-000000000011'),
  ('00000000-0000-7000-8000-0000000000f1', '2026-01-01T01:00Z', '2026-01-01T02:00Z', 3000, 83333, '10000000-0000-4000-8000-000000000012'),
  ('00000000-0000-7000-8000-0000000000f1', '2026-01-01T02:00Z', '2026-01-01T02:00:30Z', 30, 833, '10000000-0000-4000-8000-000000000013'),
  ('00000000-0000-7000-8000-0000000000f2', '2026-01-01T00:00Z', '2026-01-01T01:00Z', 3600, 1, '10000000-0000-4000-8000-000000000021'),
  ('00000000-0000-7000-8000-0000000000f2', '2026-01-01T01:00Z', '2026-01-01T01:30Z', 1800, 0, NULL);
INSERT INTO "Transaction" (id, "userId", amount, type, "referenceId", "transferId", kind, memo, "createdAt")
  SELECT gen_random_uuid(), a."ownerId", t."amountMicro" / 1000000.0, side.type::"TransactionType", t."referenceId", t.id, t.kind, t.memo, t."createdAt"
  FROM "LedgerTransfer" t CROSS JOIN LATERAL (VALUES (t."debitAccountId", 'DEBIT'), (t."creditAccountId", 'CREDIT')) AS side(account, type)
  JOIN "LedgerAccount" a ON a.id = side.account WHERE a."ownerId" IS NOT NULL;
