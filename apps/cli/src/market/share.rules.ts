const GIB_MB = 1024;

export interface Machine {
  cpus: number;
  ramMb: number;
}

/** What one of several nodes of a machine offers. */
export interface Share {
  cpus: number;
  ramMb: number;
}

/**
 * The machine in equal parts, one per node. Each offers at least one vCPU, so a small machine promises more CPU than it
 * has: CPU gives way by weight. Memory does not, so its parts never add up to more than an agent alone would offer.
 */
export function sharesOf(machine: Machine, nodes: number): Share[] {
  const offered = offeredRamMb(machine.ramMb);
  return Array.from({ length: nodes }, (_, index) => ({
    cpus: Math.max(1, Math.floor(machine.cpus / nodes) + (index < machine.cpus % nodes ? 1 : 0)),
    ramMb: Math.max(256, Math.floor(offered / nodes)),
  }));
}

/** As an agent reckons it for a whole machine: the host keeps 10 %, at least 2 GiB, at most a quarter. */
function offeredRamMb(totalMb: number): number {
  const reserve = Math.min(Math.max(2 * GIB_MB, Math.ceil(totalMb / 10)), Math.ceil(totalMb / 4));
  return Math.max(1, Math.floor(totalMb - reserve));
}

/** For a person; null with one node. */
export function sharingWords(machine: Machine, nodes: number): string | null {
  if (nodes < 2) return null;
  const promised = sharesOf(machine, nodes).reduce((sum, share) => sum + share.cpus, 0);
  const cpus = `${machine.cpus} vCPU`;
  if (promised <= machine.cpus) return `${nodes} nodes share the ${cpus} and the memory of this machine`;
  return `${nodes} nodes offer ${promised} vCPU of a machine that has ${machine.cpus}: full at once, each is slower`;
}
