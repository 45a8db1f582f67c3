import { rateOf, unitPrices } from '../../ledger/pricing.rules.js';
import type { MicroUsd, Pricing } from '@muster/shared-types';

/** What one copy of a job needs of a node. */
export interface Need {
  cpuCores: number;
  memoryMb: number;
  diskGb: number;
  numGpus: number;
  gpuRamMb: number;
  gpuName: string | null;
  capabilities: readonly string[];
  geolocation: string | null;
  minReputation: number;
  image: string;
  /** Declared outputs are uploaded by signed link, which a program that only speaks HTTP is not asked to do. */
  outputs: boolean;
  network: 'none' | 'egress';
}

export interface NodeGpu {
  id: string;
  uuid: string;
  name: string;
  gpuRamMb: number;
  free: boolean;
}

/** What a node is, as it last said. */
export interface NodeTraits {
  id: string;
  ownerId: string;
  transport: 'socket' | 'http';
  cpuTotal: number;
  ramMbTotal: number;
  diskGbTotal: number;
  gpus: readonly NodeGpu[];
  /** ×100, e.g. 1208 for CUDA 12.8. */
  cudaMaxGood: number | null;
  capabilities: ReadonlySet<string>;
  /** Images that lie there; a program that only speaks HTTP and names some can run no others. */
  images: ReadonlySet<string>;
  country: string | null;
  pricing: Pricing;
}

/** Why a node can never run it, whatever is free. In the order in which people should hear of it. */
export const MISFITS = ['cpu', 'memory', 'disk', 'gpus', 'gpu_ram', 'capability', 'region', 'plain_http'] as const;
export type Misfit = (typeof MISFITS)[number];

/** Undefined when the machine as such fits: whether it is free, well reputed and cheap enough is another question. */
export function misfit(node: NodeTraits, need: Need): Misfit | undefined {
  if (node.transport === 'http' && (need.numGpus > 0 || need.outputs)) return 'plain_http';
  if (node.cpuTotal < need.cpuCores) return 'cpu';
  if (node.ramMbTotal < need.memoryMb) return 'memory';
  if (node.diskGbTotal < need.diskGb) return 'disk';
  if (need.geolocation !== null && node.country !== need.geolocation) return 'region';
  if (need.numGpus > 0) {
    const named = node.gpus.filter((gpu) => need.gpuName === null || sameGpu(gpu.name, need.gpuName));
    if (named.length < need.numGpus) return 'gpus';
    if (named.filter((gpu) => gpu.gpuRamMb >= need.gpuRamMb).length < need.numGpus) return 'gpu_ram';
  }
  if (!runsImage(node, need.image)) return 'capability';
  return need.capabilities.every((wanted) => has(node, wanted)) ? undefined : 'capability';
}

/** Devices of this node that could serve it: of the name and memory that are asked for. */
export function servingGpus(node: Pick<NodeTraits, 'gpus'>, need: Need): NodeGpu[] {
  return node.gpus.filter((gpu) => (need.gpuName === null || sameGpu(gpu.name, need.gpuName)) && gpu.gpuRamMb >= need.gpuRamMb);
}

/** The name that people write, in any case: `rtx 4090` is `RTX 4090`. */
const sameGpu = (name: string, wanted: string): boolean => name.toLowerCase() === wanted.toLowerCase();

function runsImage(node: NodeTraits, image: string): boolean {
  return node.transport === 'socket' || node.images.size === 0 || node.images.has(image);
}

const VERSIONED = /^([a-z]+)\s*(>=|<=|=|>|<)\s*(\d+)(?:\.(\d+))?$/i;

/** Whether a node has one capability that a job names. */
export function has(node: Pick<NodeTraits, 'capabilities' | 'images' | 'cudaMaxGood'>, wanted: string): boolean {
  if (wanted.startsWith('image:')) return node.images.has(wanted.slice('image:'.length));
  const versioned = VERSIONED.exec(wanted);
  if (versioned) return hasVersion(node, versioned);
  if (wanted.toLowerCase() === 'cuda') return node.cudaMaxGood !== null;
  return node.capabilities.has(wanted);
}

/** `cuda>=12` against what the driver can serve; anything else against words like `rocm=6.1` that a host declares. */
function hasVersion(node: Pick<NodeTraits, 'capabilities' | 'cudaMaxGood'>, [whole, name = '', operator = '', major = '0', minor]: RegExpExecArray): boolean {
  if (name.toLowerCase() === 'cuda') return node.cudaMaxGood !== null && compares(node.cudaMaxGood, operator, asVersion(major, minor), minor === undefined);
  if (node.capabilities.has(whole)) return true;
  return [...node.capabilities].some((declared) => {
    const own = VERSIONED.exec(declared);
    return own?.[2] === '=' && own[1]?.toLowerCase() === name.toLowerCase() && compares(asVersion(own[3] ?? '0', own[4]), operator, asVersion(major, minor), minor === undefined);
  });
}

/** 12.8 as 1208, the form in which drivers state what they serve. */
const asVersion = (major: string, minor: string | undefined): number => Number(major) * 100 + Number(minor ?? '0');

/** A version without its second part means all of its series: 12.8 is `=12`, and not `>12`. */
function compares(own: number, operator: string, wanted: number, series: boolean): boolean {
  const mine = series ? Math.floor(own / 100) * 100 : own;
  if (operator === '>=') return mine >= wanted;
  if (operator === '<=') return mine <= wanted;
  if (operator === '>') return mine > wanted;
  if (operator === '<') return mine < wanted;
  return mine === wanted;
}

/** Micro-dollars per hour of one copy on this node. */
export function nodeRate(pricing: Pricing, need: Pick<Need, 'cpuCores' | 'memoryMb' | 'diskGb' | 'numGpus'>): MicroUsd {
  return rateOf({ cpuCores: need.cpuCores, ramMb: need.memoryMb, diskGb: need.diskGb, numGpus: need.numGpus }, unitPrices(pricing)).totalMicroHour;
}
