import { PAYMENTS_IN, type MarketRows } from './market-rows.js';

/** For each guard one statement that it must refuse; `muster` rows stand before each. */
export type Violations = Readonly<Record<string, (rows: MarketRows) => string>>;

const id = 'gen_random_uuid()';

/** Refused by a CHECK or an EXCLUDE constraint of that name. */
export const constraintViolations: Violations = {
  control_plane_single_row: () => `INSERT INTO "ControlPlane" (id, "clusterId", "aliveAt") VALUES (2, ${id}, now())`,
  outage_forward: () => `INSERT INTO "ControlPlaneOutage" (id, "fromAt", "toAt", cause) VALUES (${id}, now(), now(), 'x')`,
  user_email_lowercase: (r) => `UPDATE "User" SET email = 'Ada@Example.org' WHERE id = '${r.userId}'`,
  user_has_identity: (r) => `UPDATE "User" SET "passwordHash" = NULL WHERE id = '${r.userId}'`,
  api_key_kind: (r) => `INSERT INTO "ApiKey" (id, "userId", kind, name, hint, hash, scopes) VALUES (${id}, '${r.userId}', 'root', 'k', 'h', 'x', '{}')`,
  node_cpu_within: (r) => node(r, '"cpuUsed" = 9'),
  node_ram_within: (r) => node(r, '"ramMbUsed" = -1'),
  node_disk_within: (r) => node(r, '"diskGbUsed" = 101'),
  node_min_chunk_power_of_two: (r) => node(r, '"minChunk" = 3'),
  node_reputation_range: (r) => node(r, '"reputationScore" = 201'),
  node_retired_unlisted: (r) => node(r, `lifecycle = 'retired', listing = 'listed'`),
  node_downtime_forward: (r) => `UPDATE "NodeDowntime" SET "toAt" = '2025-01-01' WHERE "nodeId" = '${r.nodeId}'`,
  maintenance_forward: (r) => maintenance(r, `'2026-01-01', '2026-01-01', NULL, NULL`),
  maintenance_one_end: (r) => maintenance(r, `'2026-01-01', '2026-01-02', now(), now()`),
  tunnel_port_range: (r) => `INSERT INTO "TunnelPort" ("tunnelServerId", port) VALUES ('${r.serverId}', 65536)`,
  tunnel_port_held_whole: (r) => `UPDATE "TunnelPort" SET "rentalId" = '${r.rentalId}' WHERE port = 20001`,
  rental_running_has_start: (r) => twin(r, `{"startTime": null}`),
  rental_failed_is_free: (r) => rental(r, `status = 'failed'`),
  rental_end_after_start: (r) => rental(r, `"endTime" = '2025-01-01'`),
  rental_release_is_terminal: (r) => rental(r, '"releasedAt" = now()'),
  rental_money_not_negative: (r) => twin(r, '{"billedSeconds": -1}'),
  rental_spend_limit_kept: (r) => charge(r, '2026-01-01T01:00Z', '2026-01-01T02:00Z', 916_668),
  rental_storage_not_negative: (r) => rental(r, '"storageMicroHour" = "rateMicroHour" + 1'),
  rental_stored_has_bill: (r) => twin(r, '{"status": "stopping", "storedSince": "2026-01-01T01:00:01Z"}'),
  rental_running_is_whole: (r) => rental(r, '"storedSince" = "billedThrough"'),
  rental_stopped_is_parked: (r) => rental(r, `status = 'stopped'`),
  rental_parked_runs_nothing: (r) => rental(r, `status = 'starting', "parkedAt" = now()`),
  rental_gap_forward: (r) => gap(r, '2026-01-01T02:00Z', '2026-01-01T02:00Z'),
  rental_gap_no_overlap: (r) => gap(r, '2026-01-01T00:19:59.999Z', '2026-01-01T00:30Z'),
  rental_charge_forward: (r) => charge(r, '2026-01-01T02:00Z', '2026-01-01T01:30Z'),
  transfer_amount_positive: (r) => transfer(PAYMENTS_IN, r.prepaidId, 0),
  transfer_two_accounts: () => transfer(PAYMENTS_IN, PAYMENTS_IN, 1),
  account_floor_kept: (r) => transfer(r.prepaidId, PAYMENTS_IN, 25_000_001),
  account_user_floor: (r) => `INSERT INTO "LedgerAccount" (id, "ownerId", kind) VALUES (${id}, '${r.userId}', 'earnings')`,
};

/** Refused by a unique index of that name. */
export const uniqueViolations: Violations = {
  maintenance_one_open: (r) => `${maintenance(r, `'2026-01-01', '2026-01-02', NULL, NULL`)}, (${id}, '${r.nodeId}', '2026-01-03', '2026-01-04', NULL, NULL)`,
  node_downtime_one_open: (r) => `INSERT INTO "NodeDowntime" (id, "nodeId", "fromAt") VALUES (${id}, '${r.nodeId}', now())`,
  tunnel_port_one_per_container_port: (r) => `UPDATE "TunnelPort" SET "rentalId" = '${r.rentalId}', "containerPort" = 22 WHERE port = 20001`,
  account_one_per_kind_of_market: () => `INSERT INTO "LedgerAccount" (id, kind) VALUES (${id}, 'platform_fee')`,
  TunnelPort_pkey: (r) => `INSERT INTO "TunnelPort" ("tunnelServerId", port) VALUES ('${r.serverId}', 20000)`,
  LedgerTransfer_pkey: (r) => transfer(PAYMENTS_IN, r.prepaidId, 1, `'${r.transferId}'`),
  LedgerAccount_ownerId_kind_key: (r) => `INSERT INTO "LedgerAccount" (id, "ownerId", kind, floor) VALUES (${id}, '${r.userId}', 'prepaid', 0)`,
  User_email_key: () => `INSERT INTO "User" (id, email, "passwordHash") VALUES (${id}, 'ada@example.org', 'hash')`,
  HostNode_publicKey_key: (r) => `INSERT INTO "HostNode" (id, "ownerId", name, "publicKey", specs, "pricingConfig", "cpuTotal", "ramMbTotal", "diskGbTotal") VALUES (${id}, '${r.userId}', 'twin', 'key', '{}', '{}', 1, 1, 1)`,
  Gpu_nodeId_uuid_key: (r) => `INSERT INTO "Gpu" (id, "nodeId", uuid, index, name, "gpuRamMb") VALUES (${id}, '${r.nodeId}', 'GPU-1', 0, 'x', 1), (${id}, '${r.nodeId}', 'GPU-1', 1, 'x', 1)`,
  IdempotencyKey_pkey: (r) => `INSERT INTO "IdempotencyKey" ("userId", key, "requestHash", "lockToken", "lockedUntil") SELECT '${r.userId}', 'k', 'h', ${id}, now() FROM generate_series(1, 2)`,
  ReputationEvent_nodeId_dedupeKey_key: (r) => `INSERT INTO "ReputationEvent" (id, "nodeId", delta, reason, "dedupeKey") SELECT ${id}, '${r.nodeId}', -20, 'offline', 'offline:2026-01-01' FROM generate_series(1, 2)`,
  RentalCharge_transferId_key: (r) => `${charge(r, '2026-01-01T01:00Z', '2026-01-01T01:10Z', 0, r.transferId)}, ('${r.rentalId}', '2026-01-01T01:10Z', '2026-01-01T01:20Z', 0, 0, '${r.transferId}')`,
};

/** Refused by a trigger of that name, in words. */
export const triggerViolations: Violations = {
  transfer_immutable: () => `UPDATE "LedgerTransfer" SET "amountMicro" = 1`,
  transfer_not_truncated: () => `TRUNCATE "LedgerTransfer" CASCADE`,
  transaction_immutable: () => `DELETE FROM "Transaction"`,
  transaction_not_truncated: () => `TRUNCATE "Transaction"`,
  charge_immutable: () => `UPDATE "RentalCharge" SET "amountMicro" = 0`,
  charge_not_truncated: () => `TRUNCATE "RentalCharge"`,
  account_balance_guarded: (r) => `UPDATE "LedgerAccount" SET balance = balance + 1 WHERE id = '${r.prepaidId}'`,
  user_balance_guarded: (r) => `UPDATE "User" SET balance = 1000 WHERE id = '${r.userId}'`,
  account_kept: (r) => `UPDATE "LedgerAccount" SET "ownerId" = NULL WHERE id = '${r.prepaidId}'`,
  account_not_truncated: () => `TRUNCATE "LedgerAccount" CASCADE`,
  transaction_by_transfer: (r) => `INSERT INTO "Transaction" (id, "userId", amount, type, "transferId", kind) VALUES (${id}, '${r.userId}', 25, 'CREDIT', '${r.transferId}', 'grant')`,
  rental_sums_guarded: (r) => rental(r, '"settledMicro" = 0'),
  rental_bill_guarded: (r) => rental(r, `"billedThrough" = '2026-01-01T00:30Z'`),
  rental_stored_from_bill: (r) => rental(r, `status = 'stopping', "storedSince" = "billedThrough" - interval '1 second'`),
  rental_billed_kept: (r) => `DELETE FROM "Rental" WHERE id = '${r.rentalId}'`,
  charge_advances_bill: (r) => charge(r, '2026-01-01T00:59:59.999Z', '2026-01-01T02:00Z'),
  account_starts_empty: (r) => `INSERT INTO "LedgerAccount" (id, "ownerId", kind, floor, balance) VALUES (${id}, '${r.userId}', 'earnings', 0, 5)`,
};

function node(rows: MarketRows, change: string): string {
  return `UPDATE "HostNode" SET ${change} WHERE id = '${rows.nodeId}'`;
}

function rental(rows: MarketRows, change: string): string {
  return `UPDATE "Rental" SET ${change} WHERE id = '${rows.rentalId}'`;
}

function gap(rows: MarketRows, from: string, to: string): string {
  return `INSERT INTO "RentalGap" (id, "rentalId", "fromAt", "toAt", cause) VALUES (${id}, '${rows.rentalId}', '${from}', '${to}', 'node')`;
}

function charge(rows: MarketRows, from: string, to: string, micro = 0, transferId = ''): string {
  const transfer = transferId ? `'${transferId}'` : 'NULL';
  return `INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro", "transferId") VALUES ('${rows.rentalId}', '${from}', '${to}', 0, ${micro}, ${transfer})`;
}

/** Another rental with the same content, but for these columns. */
function twin(rows: MarketRows, change: string): string {
  return `INSERT INTO "Rental" SELECT (jsonb_populate_record(r, '${change}'::jsonb || jsonb_build_object('id', ${id}))).* FROM "Rental" r WHERE id = '${rows.rentalId}'`;
}

function transfer(debit: string, credit: string, micro: number, transferId = id): string {
  return `INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind) VALUES (${transferId}, '${debit}', '${credit}', ${micro}, 'test')`;
}

function maintenance({ nodeId }: MarketRows, values: string): string {
  return `INSERT INTO "NodeMaintenance" (id, "nodeId", "fromAt", "toAt", "endedAt", "cancelledAt") VALUES (${id}, '${nodeId}', ${values})`;
}
