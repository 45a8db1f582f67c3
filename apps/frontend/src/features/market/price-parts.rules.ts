import { formatUsd, type Offer, parseUsd } from '@muster/shared-types';

export const nameOf = (offer: Pick<Offer, 'num_gpus' | 'gpu_name' | 'cpu_cores'>): string => (offer.num_gpus > 0 ? `${offer.num_gpus} × ${offer.gpu_name ?? 'GPU'}` : `${offer.cpu_cores} vCPU`);

/** What an offer's price is made of; the sum is its price. Disk is what is not the base rate. */
export function offerPrice(offer: Pick<Offer, 'dph_total' | 'dph_base' | 'default_disk_gb'>): { name: string; amount: string }[] {
  const disk = parseUsd(offer.dph_total) - parseUsd(offer.dph_base);
  return [
    { name: 'machine', amount: offer.dph_base },
    { name: `disk, ${offer.default_disk_gb} GB`, amount: formatUsd(disk) },
  ];
}
