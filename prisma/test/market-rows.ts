import { randomUUID } from 'node:crypto';
import type pg from 'pg';

/** One person, one machine with two GPUs, one running rental and one transfer: what the guards are tried on. */
export interface MarketRows {
  userId: string;
  nodeId: string;
  rentalId: string;
  serverId: string;
  prepaidId: string;
  transferId: string;
}

export const PAYMENTS_IN = '00000000-0000-7000-8000-000000000001';
export const ACCOUNT_MICRO = 25_000_000;

/** Inserts them in plain SQL, so that the guards are tried without any code of ours in between. */
export async function insertMarketRows(client: pg.Client): Promise<MarketRows> {
  const [userId, nodeId, rentalId, serverId, prepaidId, transferId] = Array.from({ length: 6 }, () => randomUUID()) as [string, string, string, string, string, string];
  const rows = { userId, nodeId, rentalId, serverId, prepaidId, transferId };
  for (const statement of statements(rows)) await client.query(statement);
  return rows;
}

function statements(r: MarketRows): string[] {
  return [
    `INSERT INTO "User" (id, email, "passwordHash") VALUES ('${r.userId}', 'ada@example.org', 'hash')`,
    `INSERT INTO "TunnelServer" (id, name, "publicHost", "probeHost", "frpsPort", "firstPort", "lastPort", "caPem")
       VALUES ('${r.serverId}', 'main', 'localhost', '127.0.0.1', 7000, 20000, 29999, '')`,
    `INSERT INTO "HostNode" (id, "ownerId", name, "publicKey", specs, "pricingConfig", "cpuTotal", "ramMbTotal", "diskGbTotal")
       VALUES ('${r.nodeId}', '${r.userId}', 'node', 'key', '{}', '{}', 8, 16384, 100)`,
    `INSERT INTO "Rental" (id, "renterId", "nodeId", status, "startTime", "billedThrough", "costPerHour", "offerId", "templateSlug", image,
       "numGpus", "cpuCores", "ramMb", "diskGb", "specHash", spec, "sealedSecrets", "rateMicroHour", "priceParts", "maxSpendMicro")
       VALUES ('${r.rentalId}', '${r.userId}', '${r.nodeId}', 'running', '2026-01-01T00:00Z', '2026-01-01T00:00Z', 0.1, 'offer', 'workspace',
       'muster/workspace', 0, 1, 1024, 10, 'hash', '{}', '', 100000, '{}', 1000000)`,
    `INSERT INTO "TunnelPort" ("tunnelServerId", port, "rentalId", "containerPort") VALUES ('${r.serverId}', 20000, '${r.rentalId}', 22), ('${r.serverId}', 20001, NULL, NULL)`,
    `INSERT INTO "LedgerAccount" (id, "ownerId", kind, floor) VALUES ('${r.prepaidId}', '${r.userId}', 'prepaid', 0)`,
    `INSERT INTO "LedgerTransfer" (id, "debitAccountId", "creditAccountId", "amountMicro", kind)
       VALUES ('${r.transferId}', '${PAYMENTS_IN}', '${r.prepaidId}', ${ACCOUNT_MICRO}, 'grant')`,
    `INSERT INTO "RentalGap" (id, "rentalId", "fromAt", "toAt", cause) VALUES ('${randomUUID()}', '${r.rentalId}', '2026-01-01T00:10Z', '2026-01-01T00:20Z', 'node')`,
    `INSERT INTO "RentalCharge" ("rentalId", "fromAt", "toAt", seconds, "amountMicro") VALUES ('${r.rentalId}', '2026-01-01T00:00Z', '2026-01-01T01:00Z', 3000, 83333)`,
    `INSERT INTO "NodeDowntime" (id, "nodeId", "fromAt") VALUES ('${randomUUID()}', '${r.nodeId}', '2026-01-01T00:00Z')`,
    `INSERT INTO "ControlPlane" (id, "clusterId", "aliveAt") VALUES (1, '${randomUUID()}', now())`,
  ];
}
