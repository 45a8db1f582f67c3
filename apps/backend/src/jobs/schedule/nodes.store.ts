import { Prisma, type PrismaClient } from '@muster/prisma';
import { z } from 'zod';
import { pricingOf } from '../../fleet/pricing.rules.js';
import type { NodeGpu, NodeTraits } from './need.rules.js';

/** A node with all that decides what it may run. */
export interface NodeState {
  traits: NodeTraits;
  name: string;
  reputation: number;
  online: boolean;
  listed: boolean;
  cpuUsed: number;
  ramMbUsed: number;
  diskGbUsed: number;
}

interface Row {
  id: string;
  owner: string;
  name: string;
  transport: 'socket' | 'http';
  reputation: number;
  online: boolean;
  listed: boolean;
  cpu_total: number;
  cpu_used: number;
  ram_total: number;
  ram_used: number;
  disk_total: number;
  disk_used: number;
  country: string | null;
  pricing: unknown;
  cuda: number | null;
  images: unknown;
  capabilities: unknown;
  gpus: NodeGpu[] | null;
}

const Words = z.array(z.string()).catch([]);

/** Verified nodes; with `ids` only those. Of the inventory only what a job can ask for. */
export async function nodeStates(db: PrismaClient, ids?: readonly string[]): Promise<NodeState[]> {
  const only = ids === undefined ? Prisma.sql`TRUE` : Prisma.sql`n.id = ANY(${[...ids]}::uuid[])`;
  const rows = await db.$queryRaw<Row[]>`
    SELECT n.id, n."ownerId" AS owner, n.name, n.transport::text AS transport, n."reputationScore" AS reputation, n.presence = 'online' AS online, n.listing = 'listed' AS listed,
      n."cpuTotal" AS cpu_total, n."cpuUsed" AS cpu_used, n."ramMbTotal" AS ram_total, n."ramMbUsed" AS ram_used, n."diskGbTotal" AS disk_total, n."diskGbUsed" AS disk_used,
      n."locationData"->>'country' AS country, n."pricingConfig" AS pricing, (n.specs->>'cuda_max_good')::int AS cuda, n.specs->'images' AS images, n.specs->'capabilities' AS capabilities,
      (SELECT jsonb_agg(jsonb_build_object('id', g.id, 'uuid', g.uuid, 'name', g.name, 'gpuRamMb', g."gpuRamMb",
              'free', g."rentalId" IS NULL AND g."executionId" IS NULL AND g.state = 'ok') ORDER BY g.index) FROM "Gpu" g WHERE g."nodeId" = n.id) AS gpus
    FROM "HostNode" n WHERE n.lifecycle = 'verified' AND ${only}`;
  return rows.map(toState);
}

function toState(row: Row): NodeState {
  return {
    traits: {
      id: row.id,
      ownerId: row.owner,
      transport: row.transport,
      cpuTotal: row.cpu_total,
      ramMbTotal: row.ram_total,
      diskGbTotal: row.disk_total,
      gpus: row.gpus ?? [],
      cudaMaxGood: row.cuda,
      capabilities: new Set(Words.parse(row.capabilities)),
      images: new Set(Words.parse(row.images)),
      country: row.country,
      pricing: pricingOf(row.pricing),
    },
    name: row.name,
    reputation: row.reputation,
    online: row.online,
    listed: row.listed,
    cpuUsed: row.cpu_used,
    ramMbUsed: row.ram_used,
    diskGbUsed: row.disk_used,
  };
}

export interface NodeUse {
  id: string;
  reputation: number;
  open: boolean;
  cpuUsed: number;
  ramMbUsed: number;
  diskGbUsed: number;
}

/** What moves all the time, of these nodes. */
export async function nodeUses(db: PrismaClient, ids: readonly string[]): Promise<NodeUse[]> {
  return await db.$queryRaw<NodeUse[]>`
    /* muster:node-uses */ SELECT id, "reputationScore" AS reputation, lifecycle = 'verified' AND presence = 'online' AND listing = 'listed' AS open,
      "cpuUsed", "ramMbUsed", "diskGbUsed"
    FROM "HostNode" WHERE id = ANY(${[...ids]}::uuid[])`;
}
