import type { Share } from '../ledger/pricing.rules.js';

/** What a node has and what of it is free. GPUs that do not work are not free. */
export interface NodeCapacity {
  nodeId: string;
  minChunk: number;
  cpuTotal: number;
  cpuUsed: number;
  ramMbTotal: number;
  ramMbUsed: number;
  diskGbTotal: number;
  diskGbUsed: number;
  gpus: readonly { name: string; free: boolean }[];
}

/** One thing that a node has for rent now. `diskGb` is the most that may be rented with it. */
export interface OfferShape extends Share {
  id: string;
  nodeId: string;
  gpuName: string | null;
}

/** Disk that is priced in a search, when the offer has that much. */
const DEFAULT_DISK_GB = 10;
export const defaultDiskGb = (shape: OfferShape): number => Math.min(DEFAULT_DISK_GB, shape.diskGb);

/** Below these an instance is of no use to anybody. */
const LEAST_RAM_MB = 128;

/** `RTX 4090` → `rtx-4090`: the part of an offer's id that names the model. */
export const gpuSlug = (name: string): string =>
  name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-').replaceAll(/^-+|-+$/g, '').slice(0, 60) || 'gpu';

export type OfferKey = { nodeId: string; kind: 'cpu'; cpuCores: number } | { nodeId: string; kind: 'gpu'; numGpus: number; slug: string };

/** Takes an offer's id apart; null when it is not one. */
export function parseOfferId(id: string): OfferKey | null {
  const match = /^([0-9a-f-]{36})\.(?:c(\d{1,4})|g(\d{1,3})\.([a-z0-9-]{1,60}))$/.exec(id);
  if (!match?.[1]) return null;
  if (match[2] !== undefined) return { nodeId: match[1], kind: 'cpu', cpuCores: Number(match[2]) };
  return { nodeId: match[1], kind: 'gpu', numGpus: Number(match[3]), slug: match[4] ?? '' };
}

/** 1, 2, 4, … up to `most`, from `least` (itself a power of two). */
export function powersOfTwo(least: number, most: number): number[] {
  const powers: number[] = [];
  for (let power = Math.max(1, least); power <= most; power *= 2) powers.push(power);
  return powers;
}

/**
 * Everything a node has for rent now. A machine with GPUs is rented by GPUs, so that its CPUs are never sold away
 * from under them; any other one by powers of two of vCPU. RAM and disk go with them in proportion to the whole machine.
 */
export function shapesOf(node: NodeCapacity): OfferShape[] {
  const shapes = node.gpus.length > 0 ? gpuShapes(node) : cpuShapes(node);
  return shapes.filter((shape) => fits(node, shape));
}

/** The shape behind an offer's id, when the node still has room for it. */
export const shapeById = (node: NodeCapacity, id: string): OfferShape | undefined => shapesOf(node).find((shape) => shape.id === id);

function cpuShapes(node: NodeCapacity): OfferShape[] {
  return powersOfTwo(1, node.cpuTotal).map((cpuCores) => ({
    id: `${node.nodeId}.c${cpuCores}`,
    nodeId: node.nodeId,
    gpuName: null,
    numGpus: 0,
    cpuCores,
    ramMb: share(node.ramMbTotal, cpuCores, node.cpuTotal),
    diskGb: diskOf(node, cpuCores, node.cpuTotal),
  }));
}

function gpuShapes(node: NodeCapacity): OfferShape[] {
  const names = [...new Set(node.gpus.map((gpu) => gpu.name))];
  return names.flatMap((name) => {
    const free = node.gpus.filter((gpu) => gpu.free && gpu.name === name).length;
    return powersOfTwo(node.minChunk, free).map((numGpus) => gpuShape(node, name, numGpus));
  });
}

function gpuShape(node: NodeCapacity, gpuName: string, numGpus: number): OfferShape {
  const all = node.gpus.length;
  return {
    id: `${node.nodeId}.g${numGpus}.${gpuSlug(gpuName)}`,
    nodeId: node.nodeId,
    gpuName,
    numGpus,
    // Rigs have more GPUs than vCPUs; nobody can use a GPU without any.
    cpuCores: Math.max(1, share(node.cpuTotal, numGpus, all)),
    ramMb: share(node.ramMbTotal, numGpus, all),
    diskGb: diskOf(node, numGpus, all),
  };
}

const share = (total: number, part: number, whole: number): number => Math.floor((total * part) / whole);

/** Disk is chosen by the renter up to the share, so a half-full disk makes the most smaller and the offer none the less. */
const diskOf = (node: NodeCapacity, part: number, whole: number): number =>
  Math.min(share(node.diskGbTotal, part, whole), node.diskGbTotal - node.diskGbUsed);

function fits(node: NodeCapacity, shape: OfferShape): boolean {
  const cpuFits = shape.cpuCores >= 1 && shape.cpuCores <= node.cpuTotal - node.cpuUsed;
  const ramFits = shape.ramMb >= LEAST_RAM_MB && shape.ramMb <= node.ramMbTotal - node.ramMbUsed;
  return cpuFits && ramFits && shape.diskGb >= 1;
}
