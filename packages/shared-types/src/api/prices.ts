import { z } from 'zod';
import { Timestamp, UsdString } from '../units.js';
import { operation } from './operation.js';

/** $ per hour of one GPU with its share of CPU, RAM and disk, or of one vCPU on a machine without GPUs; one price per node. */
const PriceSpread = z.object({
  nodes: z.number().int(),
  p10_usd: UsdString,
  median_usd: UsdString,
  p90_usd: UsdString,
});

export const PricePoint = PriceSpread.extend({ at: Timestamp }).meta({ id: 'PricePoint' });
export type PricePoint = z.infer<typeof PricePoint>;

export const MarketPrice = PriceSpread.extend({
  /** Null: machines without GPUs. */
  gpu_name: z.string().nullable(),
  unit: z.enum(['GPU-hour', 'vCPU-hour']),
  offers: z.number().int(),
  /** Devices that are free now; vCPUs on machines without GPUs. */
  free: z.number().int(),
  min_usd: UsdString,
  max_usd: UsdString,
  /** `[from, to)` of equal width, the last one with its end. */
  histogram: z.array(z.object({ from_usd: UsdString, to_usd: UsdString, nodes: z.number().int() })),
  /** Oldest first: hours up to a week, days beyond it. Only of the model that is named. */
  history: z.array(PricePoint),
}).meta({ id: 'MarketPrice' });
export type MarketPrice = z.infer<typeof MarketPrice>;

export const priceOperations = {
  marketPrices: operation({
    method: 'GET', path: '/api/v1/market/prices', tag: 'market', summary: 'Prices of what is free now per GPU model, and how they were',
    auth: { kind: 'public' }, owner: 'none',
    query: z.object({
      /** One model as a search names it (`RTX_4090`), or `cpu`; with its history. All of them when left out. */
      gpu_name: z.string().min(1).max(100).optional(),
      days: z.coerce.number().int().min(1).max(365).default(7),
    }),
    status: 200, response: z.object({ as_of: Timestamp, items: z.array(MarketPrice) }), problems: [],
  }),
} as const;
