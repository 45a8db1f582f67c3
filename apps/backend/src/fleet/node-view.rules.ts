import { formatUsd, Inventory, NodeTier, type NodeSummary, type NodeView, type Reliability } from '@muster/shared-types';
import { z } from 'zod';
import { VERSION } from '../platform/version.js';
import { isOlder } from './version.rules.js';
import { allowedActions } from './node.rules.js';
import type { NodeMoney, NodeRow } from './nodes.store.js';
import { allChecks } from './preflight.rules.js';
import { pricingOf } from './pricing.rules.js';

const Location = z.object({ country: z.string().nullish() }).catch({});
/** What stands in place of an inventory that this version cannot read, e.g. of a row written by hand. */
const EMPTY_INVENTORY: Inventory = {
  hostname: '', os: '', kernel: '', arch: '', boot_id: '', cpu_name: '', cpu_cores: 1, cpu_ram_mb: 1, disk_gb: 0, gpus: [], driver_version: null,
  cuda_max_good: null, docker: null, isolation: 'basic', images: [], capabilities: [], preflight: [], agent_version: '',
};

/** The stored inventory of a node. */
export function inventoryOf(specs: unknown): Inventory {
  const parsed = Inventory.safeParse(specs);
  return parsed.success ? parsed.data : EMPTY_INVENTORY;
}

export interface Liveness {
  reliability: Reliability;
  lastBeatAt: Date | undefined;
}

export function summarise(node: NodeRow, { reliability, lastBeatAt }: Liveness): NodeSummary {
  const inventory = inventoryOf(node.specs);
  const last = newest(node.lastHeartbeat ?? undefined, lastBeatAt);
  return {
    id: node.id,
    name: node.name,
    status: node.status,
    lifecycle: node.lifecycle,
    presence: node.presence,
    listing: node.listing,
    tier: NodeTier.catch('cpu').parse(node.tier),
    cpu_name: inventory.cpu_name,
    cpu_cores: node.cpuTotal,
    cpu_ram_mb: node.ramMbTotal,
    disk_gb: node.diskGbTotal,
    num_gpus: node.gpus.length,
    gpu_name: node.gpus[0]?.name ?? null,
    geolocation: Location.parse(node.locationData ?? {}).country ?? null,
    region: node.region,
    isolation: inventory.isolation,
    agent_version: inventory.agent_version,
    agent_outdated: isOlder(inventory.agent_version, VERSION),
    reputation: node.reputationScore,
    reliability: reliability.reliability,
    registered_at: node.registeredAt.toISOString(),
    last_heartbeat: last?.toISOString() ?? null,
  };
}

/** What the owner sees. */
export function nodeView(node: NodeRow, live: Liveness, money: NodeMoney): NodeView {
  const inventory = inventoryOf(node.specs);
  return {
    ...summarise(node, live),
    owner_id: node.ownerId,
    pricing: pricingOf(node.pricingConfig),
    min_chunk: node.minChunk,
    used: { cpu_cores: node.cpuUsed, ram_mb: node.ramMbUsed, disk_gb: node.diskGbUsed, gpus: node.gpus.filter((gpu) => gpu.rentalId !== null || gpu.executionId !== null).length },
    gpus: node.gpus.map((gpu) => ({ uuid: gpu.uuid, index: gpu.index, name: gpu.name, gpu_ram_mb: gpu.gpuRamMb, state: gpu.state, rental_id: gpu.rentalId })),
    inventory,
    preflight: allChecks(inventory),
    reliability_parts: live.reliability,
    active_rentals: money.activeRentals,
    earned_usd: formatUsd(money.earnedMicro),
    actions: allowedActions(node),
  };
}

function newest(a: Date | undefined, b: Date | undefined): Date | undefined {
  if (!a || !b) return a ?? b;
  return a > b ? a : b;
}
