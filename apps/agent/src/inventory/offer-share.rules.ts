const GIB_MB = 1024;
/** One GB of disk, as drives and the market count it. */
export const GB_BYTES = 1e9;

/**
 * MiB of RAM offered of `totalMb`. The host keeps 10 %, at least 2 GiB; a machine under 8 GiB keeps a quarter instead,
 * so that a small one still has most of it to offer.
 */
export function offeredRamMb(totalMb: number): number {
  const wanted = Math.max(2 * GIB_MB, Math.ceil(totalMb / 10));
  const reserve = Math.min(wanted, Math.ceil(totalMb / 4));
  return Math.max(1, Math.floor(totalMb - reserve));
}

/**
 * Logical CPUs offered: all that the agent may use. CPU is shared by weight and gives way at once, unlike memory, so
 * nothing is held back. `quota` is what a cgroup around the agent allows, in CPUs; null = no limit.
 */
export function offeredCpuCores(available: number, quota: number | null): number {
  return Math.max(1, Math.floor(Math.min(available, quota ?? available)));
}

/** The most that one agent offers of its machine; null = all that the machine has to offer. */
export interface OfferShare {
  cpus: number | null;
  ramMb: number | null;
}

export const WHOLE_MACHINE: OfferShare = { cpus: null, ramMb: null };

/** Never more than the machine has, whatever share was asked for. */
export const withinShare = (offered: number, share: number | null): number => (share === null ? offered : Math.min(offered, share));
