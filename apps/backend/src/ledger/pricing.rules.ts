import { formatUsd, HOURS_PER_MONTH, parseUsd, SECONDS_PER_HOUR, type MicroUsd, type PricePart, type Pricing } from '@muster/shared-types';
import type { z } from 'zod';

/** Micro-dollars for a total of whole seconds at a rate per hour. Always rounded down, over the whole life of a rental. */
export function costOf(rateMicroHour: MicroUsd, seconds: number): MicroUsd {
  return (rateMicroHour * BigInt(seconds)) / SECONDS_PER_HOUR;
}

/**
 * The greatest number of whole seconds whose cost is within the budget, on top of what was used at another rate (rate ×
 * seconds); null when no number is too great.
 */
export function secondsWithin(rateMicroHour: MicroUsd, budget: MicroUsd, otherRateMicroSeconds = 0n): number | null {
  if (rateMicroHour === 0n) return null;
  const left = (budget + 1n) * SECONDS_PER_HOUR - 1n - otherRateMicroSeconds;
  if (budget < 0n || left < 0n) return 0;
  const seconds = left / rateMicroHour;
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

/** A host's prices in micro-dollars. */
export function unitPrices(pricing: Pricing): UnitPrices {
  return {
    gpuHour: parseUsd(pricing.gpu_dph),
    cpuCoreHour: parseUsd(pricing.cpu_core_dph),
    ramGibHour: parseUsd(pricing.ram_gib_dph),
    diskGbMonth: parseUsd(pricing.storage_cost),
    inetUpGb: parseUsd(pricing.inet_up_cost),
    inetDownGb: parseUsd(pricing.inet_down_cost),
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
