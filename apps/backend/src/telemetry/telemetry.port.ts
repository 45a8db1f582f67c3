import type { Measurement, TelemetryTier } from '@muster/shared-types';

/**
 * What a point is about. Few values, ever: a node has at most 64 GPUs, and `slot` counts the instances of a node that
 * live at the same time. A rental is found by node, slot and the time in which it had that slot, never by an own tag.
 */
export interface PointTags {
  node: string;
  /** UUID of the device. */
  gpu?: string;
  model?: string;
  slot?: string;
}

export interface Point {
  measurement: Measurement;
  tags: PointTags;
  /** Names of `METRICS`; finite numbers. */
  fields: Readonly<Record<string, number>>;
  /** Whole seconds since 1970. */
  atS: number;
}

export interface SeriesQuery {
  measurement: Measurement;
  node: string;
  /** Only these devices; absent: all. */
  gpus?: readonly string[];
  slot?: string;
  tier: TelemetryTier;
  /** Whole steps; `toS` is not part of it. */
  fromS: number;
  toS: number;
  stepS: number;
}

export interface StoredSeries {
  name: string;
  labels: { gpu?: string; model?: string };
  /** Start of the step, mean over it; steps without a sample are left out. Ascending. */
  points: [atS: number, mean: number][];
}

/** Lines of this process, each counted once: when it is stored, given up, or still on its way. */
export interface TelemetryCounts {
  written: number;
  /** Refused by the store for what they are. */
  failed: number;
  /** Given up because there was no room left to keep them. */
  dropped: number;
  waiting: number;
}

/** Where samples are kept. Two implementations, one conformance suite; Postgres is neither. */
export abstract class Telemetry {
  /** Takes points over and returns at once. Never throws; nobody waits for a store. */
  abstract write(points: readonly Point[]): void;
  /** Rejects when the store does not answer. */
  abstract read(query: SeriesQuery): Promise<StoredSeries[]>;
  /** Resolves when everything that was taken over before is stored, or cannot be at present. */
  abstract flush(): Promise<void>;
  /** Makes the coarser tiers whole up to `nowS`, which otherwise happens by itself within their step. */
  abstract rollUp(nowS: number): Promise<void>;
  abstract counts(): TelemetryCounts;
  /** Stores what is in hand, or keeps it for the next start; then nothing is taken any more. */
  abstract close(): Promise<void>;
}
