import { z } from 'zod';
import { NodeLifecycle, NodeListing, NodePresence, NodeStatus, NodeTier } from '../enums.js';
import { Timestamp, UsdInput, UsdString, Uuid } from '../units.js';
import { Inventory, PreflightRecord } from './inventory.js';

/** A host's prices. Prices left out are the market's defaults. Idle money is never a float. */
export const Pricing = z
  .object({
    gpu_dph: UsdString.meta({ description: '$ per GPU-hour' }),
    cpu_core_dph: UsdString.meta({ description: '$ per vCPU-hour' }),
    ram_gib_dph: UsdString.meta({ description: '$ per GiB-hour' }),
    storage_cost: UsdString.meta({ description: '$ per GB-month' }),
    inet_up_cost: UsdString,
    inet_down_cost: UsdString,
  })
  .meta({ id: 'Pricing' });
export type Pricing = z.infer<typeof Pricing>;

export const PricingInput = z.object({
  gpu_dph: UsdInput.optional(),
  cpu_core_dph: UsdInput.optional(),
  ram_gib_dph: UsdInput.optional(),
  storage_cost: UsdInput.optional(),
  /** Smallest number of GPUs rented as one; a power of two. */
  min_chunk: z
    .number()
    .int()
    .min(1)
    .max(64)
    .refine((n) => (n & (n - 1)) === 0, 'must be a power of two')
    .optional(),
});

/** Reliability with its parts: `(minutes − down_minutes + 10) / (minutes + 10)` over 30 days × (ok + 10) / (starts + 10). */
export const Reliability = z
  .object({
    reliability: z.number().min(0).max(1),
    window_days: z.number().int(),
    minutes: z.number(),
    down_minutes: z.number(),
    starts_ok: z.number().int(),
    starts_failed: z.number().int(),
  })
  .meta({ id: 'Reliability' });
export type Reliability = z.infer<typeof Reliability>;

export const GpuView = z.object({
  uuid: z.string(),
  index: z.number().int(),
  name: z.string(),
  gpu_ram_mb: z.number().int(),
  state: z.string(),
  rental_id: Uuid.nullable(),
});

/** What everybody may know of a node. */
export const NodeSummary = z
  .object({
    id: Uuid,
    name: z.string(),
    status: NodeStatus,
    lifecycle: NodeLifecycle,
    presence: NodePresence,
    listing: NodeListing,
    tier: NodeTier,
    cpu_name: z.string(),
    cpu_cores: z.number().int(),
    cpu_ram_mb: z.number().int(),
    disk_gb: z.number().int(),
    num_gpus: z.number().int(),
    gpu_name: z.string().nullable(),
    geolocation: z.string().nullable(),
    region: z.string().nullable(),
    isolation: z.enum(['basic', 'full']),
    /** What the agent said of itself; empty for a machine that only speaks HTTP. */
    agent_version: z.string().default(''),
    /** Older than this market: its host should update it. */
    agent_outdated: z.boolean().default(false),
    reputation: z.number().int(),
    reliability: z.number().min(0).max(1),
    registered_at: Timestamp,
    last_heartbeat: Timestamp.nullable(),
  })
  .meta({ id: 'NodeSummary' });
export type NodeSummary = z.infer<typeof NodeSummary>;

/** What the owner sees: the machine, its evidence, prices and what is in use. */
export const NodeView = NodeSummary.extend({
  owner_id: Uuid,
  pricing: Pricing,
  min_chunk: z.number().int(),
  used: z.object({ cpu_cores: z.number().int(), ram_mb: z.number().int(), disk_gb: z.number().int(), gpus: z.number().int() }),
  gpus: z.array(GpuView),
  inventory: Inventory,
  preflight: z.array(PreflightRecord),
  reliability_parts: Reliability,
  active_rentals: z.number().int(),
  earned_usd: UsdString,
  actions: z.array(z.enum(['list', 'unlist', 'drain', 'retire', 'price'])),
}).meta({ id: 'Node' });
export type NodeView = z.infer<typeof NodeView>;

/** What an agent keeps after enrolment. */
export const EnrolResult = z
  .object({
    node_id: Uuid,
    cluster_id: Uuid,
    name: z.string(),
    tunnel: z.object({ host: z.string(), port: z.number().int(), ca_pem: z.string() }),
    lease_s: z.number().int(),
  })
  .meta({ id: 'EnrolResult' });
export type EnrolResult = z.infer<typeof EnrolResult>;
