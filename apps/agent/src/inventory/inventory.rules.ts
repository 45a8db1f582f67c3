import type { Inventory, PreflightRecord } from '@muster/shared-types';
import { sellableDiskGb } from '../docker/disk.rules.js';
import type { EngineFacts } from '../docker/types.js';
import type { GpuSnapshot } from './gpu-watch.rules.js';
import { isolationOf } from './isolation.rules.js';
import type { MachineFacts } from './machine-facts.js';
import { GB_BYTES, offeredCpuCores, offeredRamMb, type OfferShare, WHOLE_MACHINE, withinShare } from './offer-share.rules.js';

export interface InventoryFacts {
  machine: MachineFacts;
  gpus: GpuSnapshot;
  /** Null while the engine does not answer. */
  engine: EngineFacts | null;
  /** What this agent was told to offer at most; the whole machine when left out. */
  share?: OfferShare;
  /** Size of the file system of the engine, in bytes. */
  poolBytes: number;
  /** References and local template names of the images that are here. */
  images: readonly string[];
  /** Words that jobs may require, beside the images. */
  capabilities: readonly string[];
  preflight: readonly PreflightRecord[];
  agent_version: string;
}

/** What the machine says it is, in the words and lengths of the contract. Pure. */
export function buildInventory({ machine, share = WHOLE_MACHINE, gpus, engine, poolBytes, images, capabilities, preflight, agent_version }: InventoryFacts): Inventory {
  return {
    hostname: machine.hostname,
    os: machine.os,
    kernel: machine.kernel,
    arch: machine.arch,
    boot_id: machine.boot_id,
    cpu_name: machine.cpu_name,
    cpu_cores: withinShare(offeredCpuCores(machine.cpus, machine.cpu_quota), share.cpus),
    cpu_ram_mb: withinShare(offeredRamMb(machine.ram_mb), share.ramMb),
    disk_gb: sellableDiskGb(poolBytes / GB_BYTES),
    gpus: gpus.gpus.slice(0, 64),
    driver_version: gpus.driver_version,
    cuda_max_good: gpus.cuda_max_good,
    docker: engine && {
      version: engine.version,
      api_version: engine.apiVersion,
      storage_driver: engine.storageDriver,
      userns: engine.userns,
      runc: engine.runc,
    },
    isolation: isolationOf({ runc: engine?.runc ?? null, toolkit: machine.toolkit, hasGpus: gpus.gpus.length > 0 }),
    images: [...new Set(images)].filter((name) => name.length <= 500).slice(0, 500),
    capabilities: capabilitiesOf(capabilities, images),
    preflight: preflight.slice(0, 100),
    agent_version,
  };
}

const MAX_CAPABILITIES = 200;

/** What the host declares and has comes first: it may not fall to a long list of images. */
function capabilitiesOf(words: readonly string[], images: readonly string[]): string[] {
  const all = [...words, ...images.map((image) => `image:${image}`)];
  return [...new Set(all)].filter((word) => word.length <= 200).slice(0, MAX_CAPABILITIES);
}

/** Equal in everything but the measurements of preflight: sending it again would tell the market nothing. */
export function sameFacts(a: Inventory, b: Inventory): boolean {
  const facts = (inventory: Inventory): string =>
    JSON.stringify({ ...inventory, preflight: inventory.preflight.map(({ id, status }) => [id, status]) });
  return facts(a) === facts(b);
}
