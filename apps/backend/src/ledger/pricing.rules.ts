import { DEFAULT_PRICES, formatUsd, HOURS_PER_MONTH, parseUsd, Pricing, SECONDS_PER_HOUR, type MicroUsd, type PricePart } from '@muster/shared-types';
import type { z } from 'zod';

/** Micro-dollars for a total of whole seconds at a rate per hour. Always rounded down, over the whole life of a rental. */
export function costOf(rateMicroHour: MicroUsd, seconds: number): MicroUsd {
  return (rateMicroHour * BigInt(seconds)) / SECONDS_PER_HOUR;
}

/** The greatest number of whole seconds whose cost is within the budget; null when no number is too great. */
export function secondsWithin(rateMicroHour: MicroUsd, budget: MicroUsd): number | null {
  if (rateMicroHour === 0n) return null;
  if (budget < 0n) return 0;
  const seconds = ((budget + 1n) * SECONDS_PER_HOUR - 1n) / rateMicroHour;
  return seconds > BigInt(Number.MAX_SAFE_INTEGER) ? null : Number(seconds);
}

/** Unit prices of a host in micro-dollars: per GPU-hour, vCPU-hour, GiB-hour, GB-month. */
export interface UnitPrices {
  gpuHour: MicroUsd;
  cpuCoreHour: MicroUsd;
  ramGibHour: MicroUsd;
  diskGbMonth: MicroUsd;
  inetUpGb: MicroUsd;
  inetDownGb: MicroUsd;
}

const StoredPricing = Pricing.partial();

/** Reads `HostNode.pricingConfig`. Prices that a host left out are the market's. Throws on a document that is no pricing. */
export function unitPrices(pricingConfig: unknown): UnitPrices {
  const stored = StoredPricing.parse(pricingConfig ?? {});
  const price = (text: string | undefined, otherwise: MicroUsd): MicroUsd => (text === undefined ? otherwise : parseUsd(text));
  return {
    gpuHour: price(stored.gpu_dph, 0n),
    cpuCoreHour: price(stored.cpu_core_dph, DEFAULT_PRICES.cpuCoreHour),
    ramGibHour: price(stored.ram_gib_dph, DEFAULT_PRICES.ramGibHour),
    diskGbMonth: price(stored.storage_cost, DEFAULT_PRICES.diskGbMonth),
    inetUpGb: price(stored.inet_up_cost, 0n),
    inetDownGb: price(stored.inet_down_cost, 0n),
  };
}

/** What is rented, in the units it is priced in. */
export interface Share {
  numGpus: number;
  cpuCores: number;
  ramMb: number;
  diskGb: number;
}

export interface Rate {
  totalMicroHour: MicroUsd;
  /** Without the disk. */
  baseMicroHour: MicroUsd;
  parts: z.infer<typeof PricePart>[];
}

const MIB_PER_GIB = 1024n;

/** The rate of a share: the sum of its parts, each rounded down to a micro-dollar per hour. */
export function rateOf(share: Share, prices: UnitPrices): Rate {
  const amounts = {
    gpu: prices.gpuHour * BigInt(share.numGpus),
    cpu: prices.cpuCoreHour * BigInt(share.cpuCores),
    ram: (prices.ramGibHour * BigInt(share.ramMb)) / MIB_PER_GIB,
    disk: (prices.diskGbMonth * BigInt(share.diskGb)) / HOURS_PER_MONTH,
  };
  const base = amounts.gpu + amounts.cpu + amounts.ram;
  return { totalMicroHour: base + amounts.disk, baseMicroHour: base, parts: partsOf(share, prices, amounts) };
}

function partsOf(share: Share, prices: UnitPrices, amounts: Record<'gpu' | 'cpu' | 'ram' | 'disk', MicroUsd>): Rate['parts'] {
  const part = (name: 'gpu' | 'cpu' | 'ram' | 'disk', quantity: number, unit: string, unitPrice: MicroUsd) => ({
    name,
    quantity,
    unit,
    unit_price_usd: formatUsd(unitPrice),
    usd_per_hour: formatUsd(amounts[name]),
  });
  const gpu = share.numGpus > 0 ? [part('gpu', share.numGpus, 'GPU-hour', prices.gpuHour)] : [];
  return [
    ...gpu,
    part('cpu', share.cpuCores, 'vCPU-hour', prices.cpuCoreHour),
    part('ram', share.ramMb / 1024, 'GiB-hour', prices.ramGibHour),
    part('disk', share.diskGb, 'GB-month', prices.diskGbMonth),
  ];
}
