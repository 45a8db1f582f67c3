import type { GpuInventory, GpuSample } from '@muster/shared-types';

/** Counters and verdicts of one GPU that decide whether it may be rented out. `null` = the GPU does not say. */
export interface GpuHealth {
  uuid: string;
  index: number;
  /** Uncorrectable memory errors since the driver was loaded. */
  ecc_volatile: number | null;
  /** Uncorrectable memory errors since the GPU was made. */
  ecc_aggregate: number | null;
  /** A spare row could not be mapped in: the GPU has to be replaced. */
  remap_failure: boolean;
  /** Rows or pages are set aside at the next reset. */
  repair_pending: boolean;
  /** What NVML says must be done, e.g. `Reset` or `Reboot`; null when nothing. */
  recovery_action: string | null;
}

/** A program on a GPU, as the driver lists it. Its name is what a tenant chose, and is not read. */
export interface GpuProcess {
  pid: number;
  /** Not only drawing on a screen. */
  computes: boolean;
  memory_mb: number | null;
}

/** Where a GPU sits and who is on it. */
export interface GpuActivity {
  uuid: string;
  /** `0000:0b:00`: domain, bus and device, as the kernel's log names it; null when it is not told. */
  bus: string | null;
  processes: GpuProcess[];
}

export interface GpuReading {
  gpu: GpuInventory;
  sample: GpuSample;
  health: GpuHealth;
  activity: GpuActivity;
}

/** Why there is no reading. `absent`: no tool, so no NVIDIA GPU that could be used; the others leave GPUs unknown. */
export type SmiFaultKind = 'absent' | 'driver_down' | 'timed_out' | 'failed' | 'unreadable';
export interface SmiFault {
  kind: SmiFaultKind;
  /** For the owner of the machine, one line. */
  message: string;
}

export interface SmiReport {
  driver_version: string | null;
  /** major × 100 + minor, e.g. 1208 for CUDA 12.8. */
  cuda_max_good: number | null;
  gpus: GpuReading[];
  /** GPUs that are listed without a readable UUID: they cannot be named, so they cannot be offered. */
  unidentified: number;
}

export type SmiReading = { ok: true; report: SmiReport } | { ok: false; fault: SmiFault };
export const smiFault = (kind: SmiFaultKind, message: string): { ok: false; fault: SmiFault } => ({
  ok: false,
  fault: {
    kind,
    message: message
      .replace(/[^\x20-\x7e]+/g, ' ')
      .trim()
      .slice(0, 300),
  },
});
