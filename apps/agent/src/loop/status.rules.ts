import { COVERED_GAP_S, type InstanceBeat, type InstanceState, type InstanceUpdate, type PullProgress, type RentalPhase } from '@muster/shared-types';
import type { z } from 'zod';
import type { ObservedInstance } from '../docker/types.js';
import type { DesiredDoc, WantedInstance } from './desired.rules.js';
import { type Observed, tunnelsUp } from './plan.rules.js';

/** What only this process remembers of an instance: how far it got and how long that took. */
export interface Trace {
  progress: z.infer<typeof PullProgress> | null;
  digest: string | null;
  phaseMs: Record<string, number>;
  /** Boot-clock second since which it has run with its tunnels up without a break; null while it does not. */
  upSince: number | null;
  /** When its container was first seen running without its tunnels up, in milliseconds of this process; null before and after. */
  tunnellingMs: number | null;
  /** Boot-clock second since which its disk, which is to be kept, has been here without a break; null where none is to be kept or it is not there. */
  diskSince: number | null;
}

/** What to tell the server of every instance, from what is seen now. Sent when it differs from what was last acked. */
export function updatesOf(desired: DesiredDoc, observed: Observed, traces: ReadonlyMap<string, Trace>): InstanceUpdate[] {
  const known = observed.containers !== null;
  const wanted = Object.values(desired.instances)
    .filter((one) => known || one.fault)
    .map((one) => updateOf(one, observed, traces.get(one.spec.rental_id)));
  if (!known) return wanted;
  const gone = Object.values(desired.absent)
    .filter((entry) => isGone(entry.rental_id, entry.keep_disk, observed))
    .map((entry): InstanceUpdate => ({ rental_id: entry.rental_id, epoch: entry.epoch, state: observed.disks.has(entry.rental_id) ? 'stopped' : 'gone' }));
  return [...wanted, ...gone];
}

function isGone(rentalId: string, keepDisk: boolean, observed: Observed): boolean {
  const container = observed.containers?.some((one) => one.rentalId === rentalId) ?? true;
  const tunnel = observed.tunnels?.some((one) => one.rentalId === rentalId) ?? true;
  const disk = !keepDisk && observed.disks.has(rentalId);
  return !container && !tunnel && !disk && !observed.busy.has(rentalId) && !observed.pulling.has(rentalId);
}

function updateOf(one: WantedInstance, observed: Observed, trace: Trace | undefined): InstanceUpdate {
  const { spec } = one;
  const container = observed.containers?.find((item) => item.rentalId === spec.rental_id && item.epoch === spec.epoch);
  const state = stateOf(one, container, observed);
  const phase = PHASES[state];
  return {
    rental_id: spec.rental_id,
    epoch: spec.epoch,
    state,
    ...(phase && { phase }),
    ...(container && { container_id: container.containerId }),
    ...(trace?.digest && { image_digest: trace.digest }),
    ...(state === 'pulling' && trace?.progress && { progress: trace.progress }),
    ...(one.fault && { fault: one.fault }),
    ...(trace && Object.keys(trace.phaseMs).length > 0 && { phase_ms: trace.phaseMs }),
  };
}

const PHASES: Partial<Record<InstanceState, RentalPhase>> = {
  queued: 'queued',
  pulling: 'pulling',
  creating: 'creating',
  tunnelling: 'tunnelling',
};

/** One word for an instance. `failed`: it never ran; `exited`: it ran and is over. */
export function stateOf(one: WantedInstance, container: ObservedInstance | undefined, observed: Observed): InstanceState {
  if (one.fault) return container?.state === 'running' ? 'stopping' : one.ran ? 'exited' : 'failed';
  if (observed.pulling.has(one.spec.rental_id)) return 'pulling';
  if (!container) return observed.images.has(one.spec.image) && observed.spoken ? 'creating' : 'queued';
  if (container.state !== 'running') return 'creating';
  return one.ran || tunnelsUp(one.spec, container, observed) ? 'running' : 'tunnelling';
}

/**
 * The instances of a heartbeat: also those that the document does not know, so that the server sees strangers, and disks that are
 * kept without a container.
 */
export function beatsOf(desired: DesiredDoc, observed: Observed, traces: ReadonlyMap<string, Trace>): InstanceBeat[] {
  const containers = observed.containers ?? [];
  const withContainer = containers.map((container): InstanceBeat => ({ ...beatOf(container, desired, observed, traces), ...diskOf(container.rentalId, observed, traces) }));
  const there = new Set(containers.map((container) => container.rentalId));
  const stopped = keptDisks(desired).filter(({ rentalId }) => !there.has(rentalId) && traces.get(rentalId)?.diskSince != null);
  return [...withContainer, ...stopped.map(({ rentalId, epoch }): InstanceBeat => ({ rental_id: rentalId, epoch, state: 'stopped', tunnel_up: false, up_s: 0, ...diskOf(rentalId, observed, traces) }))];
}

function beatOf(container: ObservedInstance, desired: DesiredDoc, observed: Observed, traces: ReadonlyMap<string, Trace>): InstanceBeat {
  const one = desired.instances[container.rentalId];
  const upSince = (one && traces.get(container.rentalId)?.upSince) ?? null;
  return {
    rental_id: container.rentalId,
    epoch: container.epoch,
    state: one ? stateOf(one, container, observed) : container.state === 'running' ? 'running' : 'exited',
    tunnel_up: upSince !== null,
    up_s: upSince === null ? 0 : Math.max(0, observed.bootS - upSince),
  };
}

function diskOf(rentalId: string, { bootS }: Observed, traces: ReadonlyMap<string, Trace>): Pick<InstanceBeat, 'disk_s'> {
  const since = traces.get(rentalId)?.diskSince ?? null;
  return since === null ? {} : { disk_s: Math.max(0, bootS - since) };
}

/** Rentals whose disk the market wants kept here: stopped ones, and those that start on it again. */
export function keptDisks(desired: DesiredDoc): { rentalId: string; epoch: number }[] {
  const stopped = Object.values(desired.absent).filter((entry) => entry.keep_disk).map((entry) => ({ rentalId: entry.rental_id, epoch: entry.epoch }));
  const starting = Object.values(desired.instances).filter((one) => one.spec.disk_kept).map((one) => ({ rentalId: one.spec.rental_id, epoch: one.spec.epoch }));
  return [...stopped, ...starting];
}

/** Since when each instance has been up without a break, given what was known before. */
export const upSince = (one: WantedInstance, observed: Observed, before: number | null): number | null =>
  isUp(one, observed) ? (before ?? observed.bootS) : null;

/** It runs, may be reached, and every port passes its tunnel. */
export function isUp(one: WantedInstance, observed: Observed): boolean {
  const container = observed.containers?.find((item) => item.rentalId === one.spec.rental_id && item.epoch === one.spec.epoch);
  return container?.state === 'running' && !container.accessCut && !one.fault && tunnelsUp(one.spec, container, observed);
}

/**
 * What was seen, with the containers as they were before an engine that has just stopped answering: what runs goes on
 * without it. Only as long as a silence may last without being held against anybody.
 */
export function withMemory(observed: Observed, before: Observed['containers']): Observed {
  const trusted = observed.containers === null && observed.engineDownS <= COVERED_GAP_S;
  return trusted ? { ...observed, containers: before } : observed;
}
