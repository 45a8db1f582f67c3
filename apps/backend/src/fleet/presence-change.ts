import type { NodePresence } from '@muster/shared-types';
import type { Tx } from '../platform/db.js';
import { newId } from '../platform/ids.js';
import { emitEvent } from '../platform/outbox.js';
import { addReputation, offlineKey, REPUTATION } from './reputation.js';
import { refreshStatus } from './status.store.js';

export interface Returned {
  nodeId: string;
  at: Date;
}

/** Nodes that beat again: online, their open downtime ends with the heartbeat. Those that were offline are announced. */
export async function bringOnline(tx: Tx, returned: readonly Returned[]): Promise<void> {
  const ids = returned.map((node) => node.nodeId);
  const times = returned.map((node) => node.at.toISOString());
  const changed = await tx.$queryRaw<{ id: string; was: NodePresence }[]>`
    WITH old AS (SELECT id, presence FROM "HostNode" WHERE id = ANY(${ids}::uuid[]) AND presence <> 'online' ORDER BY id FOR UPDATE)
    UPDATE "HostNode" n SET presence = 'online', "lastHeartbeat" = v.at
    FROM old, unnest(${ids}::uuid[], ${times}::timestamptz[]) AS v(id, at)
    WHERE n.id = old.id AND v.id = n.id RETURNING n.id, old.presence::text AS was`;
  await tx.$executeRaw`
    UPDATE "NodeDowntime" d SET "toAt" = greatest(d."fromAt", v.at)
    FROM unnest(${ids}::uuid[], ${times}::timestamptz[]) AS v(id, at)
    WHERE d."nodeId" = v.id AND d."toAt" IS NULL`;
  await refreshStatus(tx, changed.map((row) => row.id));
  for (const row of changed.filter((node) => node.was === 'offline')) {
    await emitEvent(tx, { name: 'NodeOnline', aggregateId: row.id, payload: {} });
  }
}

export interface Gone {
  nodeId: string;
  /** When the silence that counts began. */
  since: Date;
  to: 'unreachable' | 'offline';
  /** Announced by the agent: costs no reputation. */
  announced: boolean;
}

/** A silent node gets worse by one step; the downtime is opened once. False when it was so already, or is no more. */
export async function takeAway(tx: Tx, gone: Gone, now: Date): Promise<boolean> {
  const from: NodePresence[] = gone.to === 'unreachable' ? ['online'] : ['online', 'unreachable'];
  const { count } = await tx.hostNode.updateMany({ where: { id: gone.nodeId, presence: { in: from } }, data: { presence: gone.to } });
  if (count === 0) return false;
  await tx.$executeRaw`
    INSERT INTO "NodeDowntime" (id, "nodeId", "fromAt") VALUES (${newId()}::uuid, ${gone.nodeId}::uuid, ${gone.since})
    ON CONFLICT ("nodeId") WHERE "toAt" IS NULL DO NOTHING`;
  await refreshStatus(tx, [gone.nodeId]);
  if (gone.to === 'offline') await announceOffline(tx, gone, now);
  return true;
}

async function announceOffline(tx: Tx, gone: Gone, now: Date): Promise<void> {
  await emitEvent(tx, { name: 'NodeOffline', aggregateId: gone.nodeId, payload: { since: gone.since.toISOString(), announced: gone.announced } });
  if (gone.announced) return;
  await addReputation(tx, { nodeId: gone.nodeId, delta: REPUTATION.offline, reason: 'went offline', dedupeKey: offlineKey(now) });
}

/** `lastHeartbeat` of many nodes in one statement; an older time never replaces a newer one. */
export async function writeLastSeen(tx: Tx, seen: ReadonlyMap<string, number>): Promise<void> {
  const ids = [...seen.keys()];
  const times = [...seen.values()].map((ms) => new Date(ms).toISOString());
  await tx.$executeRaw`
    UPDATE "HostNode" n SET "lastHeartbeat" = v.at
    FROM unnest(${ids}::uuid[], ${times}::timestamptz[]) AS v(id, at)
    WHERE n.id = v.id AND (n."lastHeartbeat" IS NULL OR n."lastHeartbeat" < v.at)`;
}
