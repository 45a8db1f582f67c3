import { flux, fluxDateTime, fluxDuration, fluxExpression, type ParameterizedQuery } from '@influxdata/influxdb-client';
import { TELEMETRY_TIERS, type TelemetryTier } from '@muster/shared-types';
import type { SeriesQuery } from './telemetry.port.js';

/** All Flux that is ever sent. Values go in as parameters, never as text. */

export const bucketOf = (prefix: string, tier: TelemetryTier): string => `${prefix}_${tier}`;

const at = (seconds: number): ReturnType<typeof fluxDateTime> => fluxDateTime(new Date(seconds * 1_000).toISOString());
const seconds = (count: number): ReturnType<typeof fluxDuration> => fluxDuration(`${count}s`);

/** Options of a task are read before Flux is: only a plain duration will do there. */
const literal = (count: number): ReturnType<typeof fluxExpression> => fluxExpression(`${count}s`);

/** Means over whole steps, one table per series. */
export function meansQuery(bucket: string, { measurement, node, slot, gpus, fromS, toS, stepS }: SeriesQuery): ParameterizedQuery {
  const place = slot === undefined ? fluxExpression('') : flux`and r.slot == ${slot}`;
  const devices = gpus === undefined ? fluxExpression('') : flux`and contains(value: r.gpu, set: ${[...gpus]})`;
  return flux`from(bucket: ${bucket})
    |> range(start: ${at(fromS)}, stop: ${at(toS)})
    |> filter(fn: (r) => r._measurement == ${measurement} and r.node == ${node} ${place} ${devices})
    |> aggregateWindow(every: ${seconds(stepS)}, fn: mean, createEmpty: false, timeSrc: "_start")
    |> keep(columns: ["_time", "_value", "_field", "gpu", "model"])`;
}

/** Rolls a stretch of one tier up into the next, again where it has been: the same samples give the same means. */
export function rollUpQuery(prefix: string, from: TelemetryTier, to: TelemetryTier, fromS: number, toS: number): ParameterizedQuery {
  return flux`from(bucket: ${bucketOf(prefix, from)})
    |> range(start: ${at(fromS)}, stop: ${at(toS)})
    |> aggregateWindow(every: ${seconds(stepOf(to))}, fn: mean, createEmpty: false, timeSrc: "_start")
    |> to(bucket: ${bucketOf(prefix, to)})`;
}

export interface TaskScript {
  name: string;
  flux: string;
}

/** Each run looks back over three steps, so that a late batch is in the means too. Later ones are rolled up when they are sent. */
export function taskScripts(prefix: string): TaskScript[] {
  return [task(prefix, 'raw', '1m', 15), task(prefix, '1m', '1h', 120)];
}

function task(prefix: string, from: TelemetryTier, to: TelemetryTier, offsetS: number): TaskScript {
  const name = bucketOf(prefix, to);
  const every = literal(stepOf(to));
  const script = flux`option task = {name: ${name}, every: ${every}, offset: ${literal(offsetS)}}

from(bucket: ${bucketOf(prefix, from)})
    |> range(start: ${literal(-3 * stepOf(to))})
    |> aggregateWindow(every: ${every}, fn: mean, createEmpty: false, timeSrc: "_start")
    |> to(bucket: ${name})`;
  return { name, flux: script.toString() };
}

const stepOf = (tier: TelemetryTier): number => TELEMETRY_TIERS.find(({ name }) => name === tier)?.stepS ?? 0;
