import type { AbsentEntry, InstanceFault, InstanceSpec } from '@muster/shared-types';
import type { ObservedInstance } from '../docker/types.js';
import type { ObservedTunnel, TunnelMapping } from '../tunnel/types.js';
import type { DesiredDoc, WantedInstance } from './desired.rules.js';

/** What is true on this machine now. Everything that is slow and under way is part of it. */
export interface Observed {
  /** Null: the engine does not answer, so nothing is known. */
  containers: readonly ObservedInstance[] | null;
  tunnels: readonly ObservedTunnel[];
  images: ReadonlySet<string>;
  /** Rentals that have a step under way. */
  busy: ReadonlySet<string>;
  /** Rentals whose pull is under way; the only step that may be cancelled. */
  pulling: ReadonlySet<string>;
  /** Rentals that have a disk here, mounted or not. */
  disks: ReadonlySet<string>;
  /** Rentals over their share of the root file system. */
  rootOverrun: ReadonlySet<string>;
  /** Boot-clock seconds before which nothing is tried again, per rental. */
  notBefore: ReadonlyMap<string, number>;
  /** The server has been heard since this process started. */
  spoken: boolean;
  /** frpc has a session at the tunnel server. */
  tunnelConnected: boolean;
  /** Seconds for which the engine has not answered; 0 when it does. */
  engineDownS: number;
  bootS: number;
}

export type Step =
  | { do: 'pull'; rentalId: string; spec: InstanceSpec }
  | { do: 'cancel_pull'; rentalId: string }
  | { do: 'create'; rentalId: string; spec: InstanceSpec }
  | { do: 'start'; rentalId: string }
  | { do: 'tunnel'; rentalId: string; mappings: TunnelMapping[] }
  | { do: 'untunnel'; rentalId: string }
  | { do: 'cut'; rentalId: string }
  | { do: 'stop'; rentalId: string; graceS: number }
  | { do: 'remove'; rentalId: string; keepDisk: boolean }
  /** The instance is over here; remembered so that a restarted agent says the same. */
  | { do: 'give_up'; rentalId: string; fault: InstanceFault }
  /** Its container has ended by itself: find out why, then give up. */
  | { do: 'explain_exit'; rentalId: string; container: ObservedInstance };

/** How long an instance may wait for an engine that does not answer before it is given up. */
export const ENGINE_PATIENCE_S = 45;
export const STOP_GRACE_S = 10;

/**
 * The file to read first. Desired document + observed facts → what to do next, as data. Pure and total: no steps means
 * settled (or waiting for something under way). At most one step per rental, so the machine is looked at again between
 * any two of them. Only an explicit `absent` entry ever removes anything.
 */
export function plan(desired: DesiredDoc, observed: Observed): Step[] {
  const steps = [
    ...Object.values(desired.absent).map((entry) => stepToAbsent(entry, observed)),
    ...Object.values(desired.instances).map((one) => stepToWanted(one, desired, observed)),
  ];
  return steps.filter((step) => step !== null);
}

function stepToAbsent(entry: AbsentEntry, observed: Observed): Step | null {
  const rentalId = entry.rental_id;
  if (observed.pulling.has(rentalId)) return { do: 'cancel_pull', rentalId };
  if (waits(rentalId, observed) || observed.containers === null) return null;
  const container = find(observed, rentalId);
  if (container?.state === 'running') {
    if (!container.accessCut) return { do: 'cut', rentalId };
    if (hasTunnels(observed, rentalId)) return { do: 'untunnel', rentalId };
    if (entry.grace_s > 0) return { do: 'stop', rentalId, graceS: entry.grace_s };
  }
  if (hasTunnels(observed, rentalId)) return { do: 'untunnel', rentalId };
  if (container || (observed.disks.has(rentalId) && !entry.keep_disk)) {
    return { do: 'remove', rentalId, keepDisk: entry.keep_disk };
  }
  return null;
}

function stepToWanted(one: WantedInstance, desired: DesiredDoc, observed: Observed): Step | null {
  const rentalId = one.spec.rental_id;
  const over = endOf(one, desired, observed);
  if (over && !one.fault) return stepToEnd(rentalId, over, observed);
  if (one.fault) return stepToRest(rentalId, observed);
  if (waits(rentalId, observed)) return null;
  if (observed.containers === null) return stepWithoutEngine(one, observed);
  const container = find(observed, rentalId);
  if (!container || container.epoch < one.spec.epoch) return stepToExist(one, container, observed);
  return stepToRun(one, container, observed);
}

/** Why this instance must end now, counted on the machine's own clock; null when it may go on. */
export function endOf(one: WantedInstance, desired: DesiredDoc, observed: Observed): InstanceFault | null {
  if (one.deadline_boot_s !== null && observed.bootS >= one.deadline_boot_s) {
    return { code: 'deadline', message: 'The time paid for is over.' };
  }
  if (observed.rootOverrun.has(one.spec.rental_id)) {
    return {
      code: 'root_disk_overrun',
      message: 'The instance wrote more outside /workspace than its share of the host disk. Keep data in /workspace.',
    };
  }
  const silentS = observed.bootS - desired.last_contact_boot_s;
  if (!observed.tunnelConnected && silentS >= one.spec.lease_s) {
    return { code: 'lease_ended', message: 'The host lost both the market and the tunnel for longer than its lease.' };
  }
  return null;
}

/** Access first, then the end is written down; the container is stopped while resting. */
function stepToEnd(rentalId: string, fault: InstanceFault, observed: Observed): Step | null {
  if (observed.pulling.has(rentalId)) return { do: 'cancel_pull', rentalId };
  if (observed.busy.has(rentalId)) return null;
  const container = find(observed, rentalId);
  if (container?.state === 'running' && !container.accessCut) return { do: 'cut', rentalId };
  return { do: 'give_up', rentalId, fault };
}

/** Over, not ordered absent yet: nothing runs, nothing is reachable, the disk stays. */
function stepToRest(rentalId: string, observed: Observed): Step | null {
  if (observed.pulling.has(rentalId)) return { do: 'cancel_pull', rentalId };
  if (observed.busy.has(rentalId)) return null;
  const container = find(observed, rentalId);
  if (container?.state === 'running') {
    return container.accessCut ? { do: 'stop', rentalId, graceS: STOP_GRACE_S } : { do: 'cut', rentalId };
  }
  return hasTunnels(observed, rentalId) ? { do: 'untunnel', rentalId } : null;
}

/** What runs goes on without its engine; what has not run yet waits a little, then is given up. */
function stepWithoutEngine(one: WantedInstance, observed: Observed): Step | null {
  if (one.ran || observed.engineDownS < ENGINE_PATIENCE_S) return null;
  const message = 'The container engine of the host does not answer, so the instance could not be started.';
  return { do: 'give_up', rentalId: one.spec.rental_id, fault: { code: 'engine_down', message } };
}

function stepToExist(one: WantedInstance, container: ObservedInstance | undefined, observed: Observed): Step | null {
  const { spec } = one;
  const rentalId = spec.rental_id;
  if (one.ran && !container) {
    return { do: 'give_up', rentalId, fault: { code: 'exited', message: 'The container is no longer on the host.' } };
  }
  if (!observed.spoken) return null;
  return observed.images.has(spec.image) ? { do: 'create', rentalId, spec } : { do: 'pull', rentalId, spec };
}

function stepToRun(one: WantedInstance, container: ObservedInstance, observed: Observed): Step | null {
  const rentalId = one.spec.rental_id;
  switch (container.state) {
    case 'created':
      return observed.spoken ? { do: 'start', rentalId } : null;
    case 'running':
    case 'paused':
      return stepToReach(one.spec, container, observed);
    case 'exited':
    case 'dead':
      return { do: 'explain_exit', rentalId, container };
    case 'restarting':
    case 'removing':
      return null;
  }
}

function stepToReach(spec: InstanceSpec, container: ObservedInstance, observed: Observed): Step | null {
  if (container.ip === null) return null;
  const mappings = mappingsOf(spec, container.ip);
  return mappings.every((mapping) => isHeld(mapping, spec.rental_id, observed)) ? null : { do: 'tunnel', rentalId: spec.rental_id, mappings };
}

/** Seconds until the next deadline of an instance that goes on; Infinity when there is none. */
export function nextDeadlineInS(desired: DesiredDoc, bootS: number): number {
  const left = Object.values(desired.instances)
    .filter((one) => one.fault === null && one.deadline_boot_s !== null)
    .map((one) => (one.deadline_boot_s ?? Infinity) - bootS);
  return Math.max(0, Math.min(Infinity, ...left));
}

export function mappingsOf(spec: InstanceSpec, localIp: string): TunnelMapping[] {
  return Object.entries(spec.proxy_port_mapping).map(([containerPort, publicPort]) => ({
    containerPort: Number(containerPort),
    publicPort,
    localIp,
  }));
}

const isHeld = (mapping: TunnelMapping, rentalId: string, observed: Observed): boolean =>
  observed.tunnels.some(
    (tunnel) =>
      tunnel.rentalId === rentalId &&
      tunnel.containerPort === mapping.containerPort &&
      tunnel.publicPort === mapping.publicPort &&
      tunnel.localIp === mapping.localIp,
  );

/** Every port of the instance passes its tunnel now. */
export function tunnelsUp(spec: InstanceSpec, container: ObservedInstance | undefined, observed: Observed): boolean {
  if (!container?.ip) return false;
  return mappingsOf(spec, container.ip).every((mapping) =>
    observed.tunnels.some(
      (tunnel) => tunnel.rentalId === spec.rental_id && tunnel.publicPort === mapping.publicPort && tunnel.localIp === mapping.localIp && tunnel.status === 'running',
    ),
  );
}

const find = (observed: Observed, rentalId: string): ObservedInstance | undefined =>
  observed.containers?.find((container) => container.rentalId === rentalId);
const hasTunnels = (observed: Observed, rentalId: string): boolean => observed.tunnels.some((tunnel) => tunnel.rentalId === rentalId);
const waits = (rentalId: string, observed: Observed): boolean =>
  observed.busy.has(rentalId) || (observed.notBefore.get(rentalId) ?? 0) > observed.bootS;
