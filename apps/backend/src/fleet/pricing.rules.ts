import { DEFAULT_PRICES, formatUsd, parseUsd, Pricing, type PricingInput } from '@muster/shared-types';
import type { z } from 'zod';

/** What a node costs whose host has said nothing. Traffic is free. */
export const DEFAULT_PRICING: Pricing = {
  gpu_dph: formatUsd(DEFAULT_PRICES.gpuHour),
  cpu_core_dph: formatUsd(DEFAULT_PRICES.cpuCoreHour),
  ram_gib_dph: formatUsd(DEFAULT_PRICES.ramGibHour),
  storage_cost: formatUsd(DEFAULT_PRICES.diskGbMonth),
  inet_up_cost: formatUsd(0n),
  inet_down_cost: formatUsd(0n),
};

/** The prices in a node's `pricingConfig`; the market's defaults where it says nothing. */
export function pricingOf(stored: unknown): Pricing {
  const parsed = Pricing.partial().safeParse(stored);
  return { ...DEFAULT_PRICING, ...(parsed.success ? defined(parsed.data) : {}) };
}

/** The host's new prices over the old ones, in the wire's six places. */
export function reprice(current: Pricing, input: z.output<typeof PricingInput>): Pricing {
  const { min_chunk: _, ...amounts } = input;
  const given = Object.entries(defined(amounts)).map(([name, amount]) => [name, formatUsd(parseUsd(amount))] as const);
  return { ...current, ...Object.fromEntries(given) };
}

function defined<T extends object>(fields: T): { [K in keyof T]-?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as { [K in keyof T]-?: Exclude<T[K], undefined> };
}
