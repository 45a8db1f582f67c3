import { formatUsd, NodeTier, type MicroUsd, type Offer } from '@muster/shared-types';
import { rateOf, unitPrices } from '../ledger/pricing.rules.js';
import { defaultDiskGb, shapesOf, type OfferShape } from './offer.rules.js';
import type { OfferNode } from './offers.store.js';

/** An offer and the rate it is sorted by. */
export interface PricedOffer {
  shape: OfferShape;
  node: OfferNode;
  totalMicroHour: MicroUsd;
}

/** All offers of a node, priced with their default disk. */
export function pricedOffers(node: OfferNode): PricedOffer[] {
  const prices = unitPrices(node.pricing);
  return shapesOf(node.capacity).map((shape) => ({ shape, node, totalMicroHour: rateOf({ ...shape, diskGb: defaultDiskGb(shape) }, prices).totalMicroHour }));
}

export function offerView({ shape, node, totalMicroHour }: PricedOffer, context: { reliability: number; viewerId: string | null }): Offer {
  const base = rateOf({ ...shape, diskGb: 0 }, unitPrices(node.pricing)).baseMicroHour;
  return {
    id: shape.id,
    node_id: node.id,
    node_name: node.name,
    num_gpus: shape.numGpus,
    gpu_name: shape.gpuName,
    gpu_ram_mb: node.gpus.find((gpu) => gpu.name === shape.gpuName)?.gpuRamMb ?? 0,
    compute_cap: node.facts.gpus.find((gpu) => gpu.name === shape.gpuName)?.compute_cap ?? null,
    cuda_max_good: node.facts.cuda_max_good,
    driver_version: node.facts.driver_version,
    cpu_name: node.facts.cpu_name,
    cpu_arch: node.facts.arch,
    cpu_cores: shape.cpuCores,
    cpu_ram_mb: shape.ramMb,
    disk_space: shape.diskGb,
    dph_total: formatUsd(totalMicroHour),
    dph_base: formatUsd(base),
    storage_cost: node.pricing.storage_cost,
    inet_up_cost: node.pricing.inet_up_cost,
    inet_down_cost: node.pricing.inet_down_cost,
    default_disk_gb: defaultDiskGb(shape),
    reliability: context.reliability,
    reputation: node.reputation,
    geolocation: node.geolocation,
    isolation: node.facts.isolation,
    tier: NodeTier.catch('cpu').parse(node.tier),
    own_node: node.ownerId === context.viewerId,
    images: node.facts.images,
  };
}
