import { Inventory, type Pricing } from '@muster/shared-types';
import type { PrismaClient } from '@muster/prisma';
import { z } from 'zod';
import type { Tx } from '../platform/db.js';
import { pricingOf } from '../fleet/pricing.rules.js';
import type { NodeCapacity } from './offer.rules.js';

/** Everything of a node that its offers show. */
export interface OfferNode {
  id: string;
  ownerId: string;
  name: string;
  capacity: NodeCapacity;
  pricing: Pricing;
  reputation: number;
  geolocation: string | null;
  tier: string;
  facts: z.infer<typeof Facts>;
  gpus: { name: string; gpuRamMb: number }[];
}

/** Of the inventory only what is shown: it carries much more than a list of thousands should load. */
const Facts = z.object({
  cpu_name: z.string().catch(''),
  arch: z.string().catch(''),
  driver_version: z.string().nullable().catch(null),
  cuda_max_good: z.number().nullable().catch(null),
  isolation: z.enum(['basic', 'full']).catch('basic'),
  images: z.array(z.string()).catch([]),
  gpus: z.array(Inventory.shape.gpus.element.pick({ name: true, compute_cap: true })).catch([]),
});

interface Row {
  id: string;
  owner_id: string;
  name: string;
  min_chunk: number;
  cpu_total: number;
  cpu_used: number;
  ram_total: number;
  ram_used: number;
  disk_total: number;
  disk_used: number;
  pricing: unknown;
  reputation: number;
  country: string | null;
  tier: string;
  facts: unknown;
  gpus: { name: string; gpuRamMb: number; free: boolean }[] | null;
}

/** Those of these nodes that are on the market and have something free. One statement. */
export async function offerNodesOf(db: Tx | PrismaClient, nodeIds: readonly string[]): Promise<OfferNode[]> {
  const rows = await db.$queryRaw<Row[]>`
    SELECT n.id, n."ownerId" AS owner_id, n.name, n."minChunk" AS min_chunk, n."cpuTotal" AS cpu_total, n."cpuUsed" AS cpu_used, n."ramMbTotal" AS ram_total,
           n."ramMbUsed" AS ram_used, n."diskGbTotal" AS disk_total, n."diskGbUsed" AS disk_used, n."pricingConfig" AS pricing, n."reputationScore" AS reputation,
           n."locationData"->>'country' AS country, n.tier,
           jsonb_build_object('cpu_name', n.specs->'cpu_name', 'arch', n.specs->'arch', 'driver_version', n.specs->'driver_version', 'cuda_max_good', n.specs->'cuda_max_good',
                              'isolation', n.specs->'isolation', 'images', n.specs->'images', 'gpus', n.specs->'gpus') AS facts,
           (SELECT jsonb_agg(jsonb_build_object('name', g.name, 'gpuRamMb', g."gpuRamMb", 'free', g."rentalId" IS NULL AND g."executionId" IS NULL AND g.state = 'ok') ORDER BY g.index)
            FROM "Gpu" g WHERE g."nodeId" = n.id) AS gpus
    FROM "HostNode" n
    WHERE n.id = ANY(${nodeIds}::uuid[]) AND n.listing = 'listed' AND n.lifecycle = 'verified' AND n.presence = 'online' AND n.transport = 'socket'
      AND n."cpuUsed" < n."cpuTotal"`;
  return rows.map(toOfferNode);
}

function toOfferNode(row: Row): OfferNode {
  const gpus = row.gpus ?? [];
  return {
    id: row.id,
    ownerId: row.owner_id,
    name: row.name,
    pricing: pricingOf(row.pricing),
    reputation: row.reputation,
    geolocation: row.country,
    tier: row.tier,
    facts: Facts.parse(row.facts),
    gpus,
    capacity: {
      nodeId: row.id,
      minChunk: row.min_chunk,
      cpuTotal: row.cpu_total,
      cpuUsed: row.cpu_used,
      ramMbTotal: row.ram_total,
      ramMbUsed: row.ram_used,
      diskGbTotal: row.disk_total,
      diskGbUsed: row.disk_used,
      gpus,
    },
  };
}

/** Milliseconds from rent to running of the last starts of a template on a node. */
export async function earlierStartsMs(db: PrismaClient, nodeId: string, template: string): Promise<number[]> {
  const rows = await db.$queryRaw<{ total: number }[]>`
    SELECT ("phaseMs"->>'total')::float8 AS total FROM "Rental"
    WHERE "nodeId" = ${nodeId}::uuid AND "templateSlug" = ${template} AND "startTime" IS NOT NULL AND "phaseMs" ? 'total'
    ORDER BY "createdAt" DESC LIMIT 20`;
  return rows.map((row) => row.total);
}
