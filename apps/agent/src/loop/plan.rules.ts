import { type AbsentEntry, type InstanceFault, type InstanceSpec, STOP_GRACE_S } from '@muster/shared-types';
import type { ObservedInstance } from '../docker/types.js';
import type { ObservedTunnel, TunnelMapping } from '../tunnel/types.js';
import type { DesiredDoc, WantedInstance } from './desired.rules.js';

/** What is true on this machine now. Everything that is slow and under way is part of it. */
export interface Observed {
  /** Null: the engine does not answer, so nothing is known. */
  containers: readonly ObservedInstance[] | null;
  /** Null: frpc does not answer, so it may hold any. */
  tunnels: readonly ObservedTunnel[] | null;
  images: ReadonlySet<string>;
  /** Rentals that have a step under way. */
  busy: ReadonlySet<string>;
  /** Rentals whose pull is under way; the only step that may be cancelled. */
  pulling: ReadonlySet<string>;
  /** Rentals that have a disk here, mounted or not. */
  disks: ReadonlySet<string>;
  /** Rentals over their share of the root file system. */
  rootOverrun: ReadonlySet<string>;
  /** Steps (`stepKey`) that have failed and rest before the next try. */
  resting: ReadonlySet<string>;
  /** Rentals whose container this process has made to its end: with disk, keys and start script in place. */
  made: ReadonlySet<string>;
  /** Seconds for which a new instance has had its tunnels up and nobody behind its ports. */
  silentDoorS: ReadonlyMap<string, number>;
  /** The server has said what it wants since this process started. */
  spoken: boolean;
  /** frpc has a session at the tunnel server. */
  tunnelConnected: boolean;
  /** Seconds for which the engine has not answered; 0 when it does. */
  engineDownS: number;
  /** Seconds since this process started. */
  agentUpS: number;
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
export const ENGINE_PATIENCE_S = 30;
/** How long the SSH server of a new instance may take to answer; the market itself gives up after 60 s. */
export const SSH_PATIENCE_S = 30;
/** The same for any other port: a server that loads a model first is slower. */
export const PORT_PATIENCE_S = 55;
/** An agent that has just started may not have reached anybody yet: no lease ends before. */
export const START_PATIENCE_S = 60;

/**
 * The file to read first. Desired document + observed facts → what to do next, as data. Pure and total: no steps means
 * settled (or waiting for something under way). At most one step per rental, so the machine is looked at again between
 * any two of them. Only an explicit `absent` entry ever removes anything, but for a proxy that leads to nothing: it
 * would lead to whoever gets that address next.
 */
export function plan(desired: DesiredDoc, observed: Observed): Step[] {
  const steps = [
    ...Object.values(desired.absent).map((entry) => stepToAbsent(entry, observed)),
    ...Object.values(desired.instances).map((one) => stepToWanted(one, desired, observed)),
    ...leftProxies(desired, observed),
  ];
  return steps.filter((step) => step !== null && (step.do === 'cancel_pull' || isFree(step, observed))) as Step[];
}

/** One step per rental at a time; what failed rests, without keeping another step of the same rental back. */
export const stepKey = (step: Pick<Step, 'do' | 'rentalId'>): string => `${step.rentalId}/${step.do}`;
const isFree = (step: Step, observed: Observed): boolean => !observed.busy.has(step.rentalId) && !observed.resting.has(stepKey(step));

function stepToAbsent(entry: AbsentEntry, observed: Observed): Step | null {
  const rentalId = entry.rental_id;
  if (observed.pulling.has(rentalId)) return { do: 'cancel_pull', rentalId };
  if (observed.containers === null) return null;
  const container = find(observed, rentalId);
  if (container?.state === 'running') {
    if (!container.accessCut) return { do: 'cut', rentalId };
    if (hasTunnels(observed, rentalId)) return { do: 'untunnel', rentalId };
    if (entry.grace_s > 0 || observed.tunnels === null) return { do: 'stop', rentalId, graceS: entry.grace_s };
  }
  // While it has its container nobody else gets the address that a proxy may still lead to.
  if (observed.tunnels === null) return null;
  if (hasTunnels(observed, rentalId)) return { do: 'untunnel', rentalId };
  if (container || (observed.disks.has(rentalId) && !entry.keep_disk)) {
    return { do: 'remove', rentalId, keepDisk: entry.keep_disk };
  }
  return null;
}

function leftProxies(desired: DesiredDoc, observed: Observed): Step[] {
  const { containers, tunnels } = observed;
  if (containers === null || tunnels === null) return [];
  const known = new Set([...Object.keys(desired.instances), ...Object.keys(desired.absent), ...containers.map((one) => one.rentalId)]);
  const left = new Set(tunnels.map((tunnel) => tunnel.rentalId).filter((rentalId) => !known.has(rentalId)));
  return [...left].map((rentalId) => ({ do: 'untunnel', rentalId }));
}

function stepToWanted(one: WantedInstance, desired: DesiredDoc, observed: Observed): Step | null {
  const rentalId = one.spec.rental_id;
  const over = endOf(one, desired, observed);
  if (over && !one.fault) return stepToEnd(rentalId, over, observed);
  if (one.fault) return stepToRest(rentalId, observed);
  if (observed.containers === null) return stepWithoutEngine(one, observed);
  const container = find(observed, rentalId);
  if (container && container.epoch < one.spec.epoch) return stepToReplace(container, observed);
  if (!container) return stepToExist(one, observed);
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
  if (isLeaseOver(one.spec.lease_s, desired, observed)) {
    return { code: 'lease_ended', message: 'The host lost both the market and the tunnel for longer than its lease.' };
  }
  return silentDoor(one.spec, observed);
}

function isLeaseOver(leaseS: number, desired: DesiredDoc, observed: Observed): boolean {
  if (observed.tunnelConnected || observed.agentUpS < Math.min(leaseS, START_PATIENCE_S)) return false;
  return observed.bootS - desired.last_contact_boot_s >= leaseS;
}

function silentDoor(spec: InstanceSpec, observed: Observed): InstanceFault | null {
  const silentS = observed.silentDoorS.get(spec.rental_id) ?? 0;
  if (silentS < (spec.ssh ? SSH_PATIENCE_S : PORT_PATIENCE_S)) return null;
  const what = spec.ssh ? 'no SSH server answered on its port 22, which the template promises' : `nothing answered on its ports (${Object.keys(spec.proxy_port_mapping).join(', ')})`;
  return { code: 'port_not_answering', message: `The container runs, but in ${Math.floor(silentS)} s ${what}.` };
}

/** Access first, then the end is written down; the container is stopped while resting. */
function stepToEnd(rentalId: string, fault: InstanceFault, observed: Observed): Step | null {
  if (observed.pulling.has(rentalId)) return { do: 'cancel_pull', rentalId };
  // Without its engine the instance cannot be cut off; that nobody new gets in can be had.
  if (observed.containers === null && hasTunnels(observed, rentalId)) return { do: 'untunnel', rentalId };
  const container = find(observed, rentalId);
  if (container?.state === 'running' && !container.accessCut) return { do: 'cut', rentalId };
  return { do: 'give_up', rentalId, fault };
}

/** Over, not ordered absent yet: nothing runs, nothing is reachable, the disk stays. */
function stepToRest(rentalId: string, observed: Observed): Step | null {
  if (observed.pulling.has(rentalId)) return { do: 'cancel_pull', rentalId };
  const container = find(observed, rentalId);
  if (container?.state === 'running') {
    return container.accessCut ? { do: 'stop', rentalId, graceS: STOP_GRACE_S } : { do: 'cut', rentalId };
  }
  return hasTunnels(observed, rentalId) ? { do: 'untunnel', rentalId } : null;
}

/**
 * What runs goes on without its engine; what has not run yet waits a little, then is given up. A tunnel is opened only to
 * what was started, and shows it also to an agent that has not seen the engine yet.
 */
function stepWithoutEngine(one: WantedInstance, observed: Observed): Step | null {
  const wasStarted = one.ran || observed.tunnels === null || observed.tunnels.some((tunnel) => tunnel.rentalId === one.spec.rental_id);
  if (wasStarted || observed.engineDownS < ENGINE_PATIENCE_S) return null;
  const message = 'The container engine of the host does not answer, so the instance could not be started.';
  return { do: 'give_up', rentalId: one.spec.rental_id, fault: { code: 'engine_down', message } };
}

/** A container of an earlier start goes, its disk stays. */
function stepToReplace(container: ObservedInstance, observed: Observed): Step | null {
  const { rentalId } = container;
  if (!observed.spoken) return null;
  if (container.state === 'running' && !container.accessCut) return { do: 'cut', rentalId };
  return { do: 'remove', rentalId, keepDisk: true };
}

function stepToExist(one: WantedInstance, observed: Observed): Step | null {
  const { spec } = one;
  const rentalId = spec.rental_id;
  if (one.ran) {
    return { do: 'give_up', rentalId, fault: { code: 'exited', message: 'The container is no longer on the host.' } };
  }
  if (!observed.spoken) return null;
  return observed.images.has(spec.image) ? { do: 'create', rentalId, spec } : { do: 'pull', rentalId, spec };
}

function stepToRun(one: WantedInstance, container: ObservedInstance, observed: Observed): Step | null {
  const rentalId = one.spec.rental_id;
  switch (container.state) {
    case 'created':
      if (!observed.spoken) return null;
      // Left by an agent that was killed while making it: its keys may be missing, so it is made anew.
      return observed.made.has(rentalId) ? { do: 'start', rentalId } : { do: 'remove', rentalId, keepDisk: true };
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
  (observed.tunnels ?? []).some(
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
    (observed.tunnels ?? []).some(
      (tunnel) => tunnel.rentalId === spec.rental_id && tunnel.publicPort === mapping.publicPort && tunnel.localIp === mapping.localIp && tunnel.status === 'running',
    ),
  );
}

const find = (observed: Observed, rentalId: string): ObservedInstance | undefined =>
  observed.containers?.find((container) => container.rentalId === rentalId);
const hasTunnels = (observed: Observed, rentalId: string): boolean =>
  (observed.tunnels ?? []).some((tunnel) => tunnel.rentalId === rentalId);
