import type { EngineFacts } from '../docker/types.js';
import type { GpuSnapshot } from './gpu-watch.rules.js';
import type { MachineFacts } from './machine-facts.js';

export type DiskKind = 'project_quota' | 'loopback' | 'none';

export interface PreflightFacts {
  machine: MachineFacts;
  gpus: GpuSnapshot;
  /** Null while the engine does not answer. */
  engine: EngineFacts | null;
  /** `Engine.weaknesses`. */
  engineWeaknesses: readonly string[];
  /** How the disk of an instance is bounded. */
  diskKind: DiskKind;
  /** Size of the file system of the engine, and what is free in it and in the host's below it. Bytes. */
  disk: { poolBytes: number; poolFreeBytes: number; hostFreeBytes: number };
  /** Version of the tunnel client, null when there is none. */
  frpc: string | null;
  /** Milliseconds since 1970 on this machine's clock. */
  now_ms: number;
  /** This clock minus the market's, in seconds; null before the market has told its time. */
  clock_offset_s: number | null;
}

export interface PreflightPolicy {
  /**
   * What an escape-prone runc or toolkit on a GPU host means. `fail` in a market; `warn` only where the operator owns
   * every machine or the GPUs are not real.
   */
  unsafeGpuRuntime: 'fail' | 'warn';
}
