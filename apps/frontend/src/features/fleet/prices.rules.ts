import { formatUsd, type NodeView, parseUsd, type Pricing } from '@muster/shared-types';

/** As typed. */
export type Prices = Record<'gpu_dph' | 'cpu_core_dph' | 'ram_gib_dph' | 'storage_cost', string>;
const NAMES = ['gpu_dph', 'cpu_core_dph', 'ram_gib_dph', 'storage_cost'] as const;
const AMOUNT = /^\d{1,6}(\.\d{1,6})?$/;

const short = (amount: string): string => amount.replace(/0+$/, '').replace(/\.$/, '');

export const pricesOf = (pricing: Pricing): Prices => Object.fromEntries(NAMES.map((name) => [name, short(pricing[name])])) as Prices;
export const wrongPrices = (typed: Prices): (keyof Prices)[] => NAMES.filter((name) => !AMOUNT.test(typed[name]));

/** Only what differs is sent. */
export function changedPrices(typed: Prices, now: Pricing): Partial<Prices> {
  const names = NAMES.filter((name) => AMOUNT.test(typed[name]) && parseUsd(typed[name]) !== parseUsd(now[name]));
  return Object.fromEntries(names.map((name) => [name, typed[name]]));
}

/** $/h of the whole machine without disk. RAM in whole MiB, cut. */
export function fullRate(typed: Prices, node: Pick<NodeView, 'num_gpus' | 'cpu_cores' | 'cpu_ram_mb'>): string {
  const of = (name: keyof Prices, quantity: bigint): bigint => parseUsd(typed[name]) * quantity;
  return formatUsd(of('gpu_dph', BigInt(node.num_gpus)) + of('cpu_core_dph', BigInt(node.cpu_cores)) + of('ram_gib_dph', BigInt(node.cpu_ram_mb)) / 1024n);
}
