import { z } from 'zod';
import { NodeTier } from '../enums.js';
import { Timestamp, UsdString, Uuid } from '../units.js';
import { PreflightRecord } from './inventory.js';

/** `<node uuid>.c<vcpus>` or `<node uuid>.g<gpus>.<gpu model in kebab case>`. */
export const OfferId = z.string().regex(/^[0-9a-f-]{36}\.(c\d{1,4}|g\d{1,3}\.[a-z0-9-]{1,60})$/, 'must be an offer id');
export type OfferId = z.infer<typeof OfferId>;

/** What a node has for rent now. Field names and units are those of the field (`dph` = $ per hour). */
export const Offer = z
  .object({
    id: OfferId,
    node_id: Uuid,
    node_name: z.string(),
    num_gpus: z.number().int(),
    gpu_name: z.string().nullable(),
    gpu_ram_mb: z.number().int(),
    compute_cap: z.number().int().nullable(),
    cuda_max_good: z.number().int().nullable(),
    driver_version: z.string().nullable(),
    cpu_name: z.string(),
    cpu_arch: z.string(),
    cpu_cores: z.number().int(),
    cpu_ram_mb: z.number().int(),
    /** GB that may be rented as disk with this offer. */
    disk_space: z.number().int(),
    /** $ per hour with `default_disk_gb` of disk. */
    dph_total: UsdString,
    dph_base: UsdString,
    storage_cost: UsdString,
    inet_up_cost: UsdString,
    inet_down_cost: UsdString,
    default_disk_gb: z.number().int(),
    reliability: z.number(),
    reputation: z.number().int(),
    geolocation: z.string().nullable(),
    isolation: z.enum(['basic', 'full']),
    tier: NodeTier,
    /** The host is the caller's own account. */
    own_node: z.boolean(),
    images: z.array(z.string()),
  })
  .meta({ id: 'Offer' });
export type Offer = z.infer<typeof Offer>;

export const PricePart = z.object({
  name: z.enum(['gpu', 'cpu', 'ram', 'disk']),
  quantity: z.number(),
  unit: z.string(),
  unit_price_usd: UsdString,
  usd_per_hour: UsdString,
});
export type PricePart = z.infer<typeof PricePart>;

export const QuoteRequest = z
  .object({
    offer_id: OfferId,
    template: z.string().min(1).max(60).default('workspace'),
    disk_gb: z.number().int().min(1).max(100_000).optional(),
    max_spend_usd: z
      .string()
      .regex(/^\d{1,9}(\.\d{1,6})?$/)
      .optional(),
    /** Rent ends at this time at the latest. */
    run_until: Timestamp.optional(),
  })
  .meta({ id: 'QuoteRequest' });

/** Everything a renter should know before paying. */
export const Quote = z
  .object({
    offer: Offer,
    template: z.string(),
    disk_gb: z.number().int(),
    dph_total: UsdString,
    /** $ per hour while it is stopped: its disk alone. */
    stopped_dph: UsdString,
    parts: z.array(PricePart),
    available_usd: UsdString,
    max_charge_usd: UsdString,
    /** When it would end if nobody ends it: balance, spend limit or `run_until`; with `ends_by` saying which. */
    ends_at: Timestamp,
    ends_by: z.enum(['balance', 'spend_limit', 'run_until']),
    eta_s: z.number(),
    image_present: z.boolean(),
    ssh: z.boolean(),
    ports: z.array(z.number().int()),
    warnings: z.array(z.string()),
    preflight: z.array(PreflightRecord),
  })
  .meta({ id: 'Quote' });
export type Quote = z.infer<typeof Quote>;
