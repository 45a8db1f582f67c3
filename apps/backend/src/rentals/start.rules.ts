import type { NodeCapacity } from '../market/offer.rules.js';
import type { Share } from '../ledger/pricing.rules.js';

/** What a stopped rental needs besides its disk, which it has. */
export type Needed = Omit<Share, 'diskGb'> & { gpuName: string | null };

/** Something that its machine has too little of: vCPU, MiB or GPUs of its model. */
export interface Shortage {
  what: 'gpus' | 'cpu_cores' | 'ram_mb';
  needed: number;
  free: number;
}

/** What is missing on the machine to start there again; nothing when it fits. */
export function shortagesOf(needed: Needed, node: NodeCapacity): Shortage[] {
  const wants: Shortage[] = [
    { what: 'gpus', needed: needed.numGpus, free: node.gpus.filter((gpu) => gpu.free && gpu.name === needed.gpuName).length },
    { what: 'cpu_cores', needed: needed.cpuCores, free: node.cpuTotal - node.cpuUsed },
    { what: 'ram_mb', needed: needed.ramMb, free: node.ramMbTotal - node.ramMbUsed },
  ];
  return wants.filter((want) => want.free < want.needed);
}

/** Another rental that holds something there, and when it ends at the latest; null when nothing ends it. */
export interface Holder extends Share {
  gpuName: string | null;
  endsAt: Date | null;
}

/** When enough is free if everybody who is there ends when he must and nobody else comes; null when that is not known. */
export function freeAt(shortages: readonly Shortage[], needed: Needed, holders: readonly Holder[]): Date | null {
  const missing = new Map(shortages.map((one) => [one.what, one.needed - one.free]));
  const ending = holders.filter((holder): holder is Holder & { endsAt: Date } => holder.endsAt !== null);
  for (const holder of ending.sort((a, b) => a.endsAt.getTime() - b.endsAt.getTime())) {
    const gives = { gpus: holder.gpuName === needed.gpuName ? holder.numGpus : 0, cpu_cores: holder.cpuCores, ram_mb: holder.ramMb };
    for (const [what, left] of missing) missing.set(what, left - gives[what]);
    if ([...missing.values()].every((left) => left <= 0)) return holder.endsAt;
  }
  return null;
}

const WORDS: Record<Shortage['what'], (shortage: Shortage) => string> = {
  gpus: ({ needed, free }) => `${free} of ${needed} GPUs free`,
  cpu_cores: ({ needed, free }) => `${free} of ${needed} vCPU free`,
  ram_mb: ({ needed, free }) => `${Math.floor(free / 1024)} of ${Math.ceil(needed / 1024)} GiB RAM free`,
};

export const shortageWords = (shortages: readonly Shortage[]): string => shortages.map((one) => WORDS[one.what](one)).join(', ');
