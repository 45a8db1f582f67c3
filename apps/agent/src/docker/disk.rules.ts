const GB = 1e9;

/** What of the pool is kept for images, root file systems and the engine itself, in GB. */
export function poolReserveGb(poolGb: number): number {
  return Math.max(poolGb * 0.15, Math.min(8, poolGb * 0.5));
}

/** What a host may sell as `disk_gb` in all, in whole GB: each rental's disk is set aside in full when it is made. */
export function sellableDiskGb(poolGb: number): number {
  return Math.max(0, Math.floor(poolGb - poolReserveGb(poolGb)));
}

/** What one instance may write outside `/workspace`, in bytes: an equal part of the reserve for four, at least half a GB. */
export function rootShareBytes(poolGb: number): number {
  return Math.max(0.5 * GB, Math.floor((poolReserveGb(poolGb) / 4) * GB));
}

export interface RootSample {
  rentalId: string;
  bytes: number;
}

/** The pool is nearly full below this: the largest writer goes before its neighbours feel it. */
export const POOL_LOW_FRACTION = 0.04;

/**
 * Which instances are over: each above its share and, when the pool runs low, the largest one whatever its share.
 * `poolFreeFraction`: the smaller of free bytes and free inodes, 0..1.
 */
export function overrun(samples: readonly RootSample[], shareBytes: number, poolFreeFraction: number): Set<string> {
  const over = new Set(samples.filter((sample) => sample.bytes > shareBytes).map((sample) => sample.rentalId));
  if (poolFreeFraction < POOL_LOW_FRACTION && over.size === 0) {
    const largest = samples.reduce<RootSample | undefined>((top, next) => (top && top.bytes >= next.bytes ? top : next), undefined);
    if (largest) over.add(largest.rentalId);
  }
  return over;
}
