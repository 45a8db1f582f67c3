import { REPUTATION_CAP } from '@muster/shared-types';
import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';

/** What the events of a node's life are worth. */
export const REPUTATION = { offline: -20, lost: -15 } as const;

export interface ReputationChange {
  nodeId: string;
  delta: number;
  reason: string;
  /** The same key counts once per node, e.g. `offline:2026-11-21` or `lost:<rental>`. */
  dedupeKey: string;
}

/** Keeps the event and moves the score within 0…200. False when this reason was counted before. */
export async function addReputation(tx: Tx, change: ReputationChange): Promise<boolean> {
  const added = await tx.$executeRaw`
    INSERT INTO "ReputationEvent" (id, "nodeId", delta, reason, "dedupeKey")
    VALUES (${newId()}::uuid, ${change.nodeId}::uuid, ${change.delta}, ${change.reason}, ${change.dedupeKey})
    ON CONFLICT ("nodeId", "dedupeKey") DO NOTHING`;
  if (added === 0) return false;
  await tx.$executeRaw`
    UPDATE "HostNode" SET "reputationScore" = LEAST(${REPUTATION_CAP}, GREATEST(0, "reputationScore" + ${change.delta}))
    WHERE id = ${change.nodeId}::uuid`;
  return true;
}

/** Going offline counts once a day (UTC). */
export const offlineKey = (at: Date): string => `offline:${at.toISOString().slice(0, 10)}`;
