import { AbsentEntry, type DesiredState, InstanceFault, InstanceSpec, type StartInstance, type StopInstance, Uuid } from '@muster/shared-types';
import { z } from 'zod';

/** One instance the server wants, with its deadline on this machine's boot clock (seconds; null = none). */
export const WantedInstance = z.object({
  spec: InstanceSpec,
  deadline_boot_s: z.number().nullable(),
  /** It has been reported running: from then on it is never made anew, only adopted or reported as ended. */
  ran: z.boolean(),
  /** Why this epoch is over here; kept so that a restarted agent says the same. */
  fault: InstanceFault.nullable(),
});
export type WantedInstance = z.infer<typeof WantedInstance>;

/**
 * The one document the agent keeps on disk: what the server wants here. Times are seconds on the boot clock and mean
 * nothing after a reboot, which `boot_id` tells.
 */
export const DesiredDoc = z.object({
  cluster_id: Uuid,
  generation: z.number().int().nonnegative(),
  boot_id: z.string(),
  draining: z.boolean(),
  instances: z.record(z.string(), WantedInstance),
  absent: z.record(z.string(), AbsentEntry),
  /** Boot-clock second at which the market or the tunnel was last there: the lease runs from it. */
  last_contact_boot_s: z.number(),
});
export type DesiredDoc = z.infer<typeof DesiredDoc>;

export interface Moment {
  bootId: string;
  bootS: number;
}

export const emptyDoc = (clusterId: string, now: Moment): DesiredDoc => ({
  cluster_id: clusterId,
  generation: 0,
  boot_id: now.bootId,
  draining: false,
  instances: {},
  absent: {},
  last_contact_boot_s: now.bootS,
});

export type Merge = { kind: 'applied'; doc: DesiredDoc } | { kind: 'refused'; reason: string };

/** A market restored from an old backup, or another market: nothing it says may delete anything. */
function refusal(doc: DesiredDoc, clusterId: string | undefined, generation: number | undefined): string | null {
  if (clusterId !== undefined && clusterId !== doc.cluster_id) {
    return `the market says it is ${clusterId}, this node belongs to ${doc.cluster_id}; what runs here is kept`;
  }
  if (generation !== undefined && generation < doc.generation) {
    return `generation ${generation} is older than ${doc.generation}; what runs here is kept`;
  }
  return null;
}

/** An order that does not name its market comes from the one that challenged this connection; null when that is ours. */
export function foreignOrder(doc: DesiredDoc, challengedBy: string | null): Merge | null {
  const reason = challengedBy === null ? 'the market has not said which one it is' : refusal(doc, challengedBy, undefined);
  return reason === null ? null : { kind: 'refused', reason };
}

/**
 * The whole state of the node. What it no longer mentions is kept as it was, an order to remove too: nothing is deleted or
 * spared by omission. What it orders absent is no longer wanted.
 */
export function mergeDesiredState(doc: DesiredDoc, message: DesiredState, now: Moment): Merge {
  const refused = refusal(doc, message.cluster_id, message.generation);
  if (refused !== null) return { kind: 'refused', reason: refused };
  const next: DesiredDoc = {
    ...doc,
    generation: message.generation,
    boot_id: now.bootId,
    draining: message.draining,
    instances: { ...doc.instances },
    absent: { ...doc.absent },
    last_contact_boot_s: now.bootS,
  };
  for (const spec of message.instances) {
    next.instances[spec.rental_id] = wanted(doc.instances[spec.rental_id], spec, now);
    delete next.absent[spec.rental_id];
  }
  for (const entry of message.absent) {
    next.absent[entry.rental_id] = entry;
    delete next.instances[entry.rental_id];
  }
  return { kind: 'applied', doc: next };
}

/** Orders to remove whose end the market knows are no longer needed. The same document when there are none. */
export function withoutGone(doc: DesiredDoc, isKnownGone: (rentalId: string) => boolean): DesiredDoc {
  const left = Object.entries(doc.absent).filter(([rentalId]) => !isKnownGone(rentalId));
  return left.length === Object.keys(doc.absent).length ? doc : { ...doc, absent: Object.fromEntries(left) };
}

/** One instance at once, ahead of the whole state that carries the same generation. */
export function mergeStart(doc: DesiredDoc, message: StartInstance, now: Moment): Merge {
  const refused = refusal(doc, undefined, message.generation);
  if (refused !== null) return { kind: 'refused', reason: refused };
  const { generation, ...spec } = message;
  const gone = doc.absent[spec.rental_id];
  if (gone && !isNewerStart(gone, spec)) return { kind: 'refused', reason: 'this instance has been ordered absent' };
  const { [spec.rental_id]: _, ...absent } = doc.absent;
  const instances = { ...doc.instances, [spec.rental_id]: wanted(doc.instances[spec.rental_id], spec, now) };
  return { kind: 'applied', doc: { ...doc, generation, boot_id: now.bootId, instances, absent } };
}

/** An order to remove that names no epoch (0) is meant for every start that came before it. */
const isNewerStart = (gone: AbsentEntry, spec: InstanceSpec): boolean => gone.epoch > 0 && spec.epoch > gone.epoch;

/** One removal at once. */
export function mergeStop(doc: DesiredDoc, message: StopInstance, now: Moment): Merge {
  const refused = refusal(doc, undefined, message.generation);
  if (refused !== null) return { kind: 'refused', reason: refused };
  const { generation, ...entry } = message;
  const instances = { ...doc.instances };
  delete instances[entry.rental_id];
  const absent = { ...doc.absent, [entry.rental_id]: entry };
  return { kind: 'applied', doc: { ...doc, generation: generation ?? doc.generation, boot_id: now.bootId, instances, absent } };
}

/** Finish what runs, accept nothing new: that the market offers nothing is its part; the word goes into heartbeats. */
export function mergeDrain(doc: DesiredDoc, generation: number | undefined): Merge {
  const refused = refusal(doc, undefined, generation);
  if (refused !== null) return { kind: 'refused', reason: refused };
  return { kind: 'applied', doc: { ...doc, generation: generation ?? doc.generation, draining: true } };
}

/** A newer epoch starts over; the same epoch keeps what is known of it and takes the newer deadline. */
function wanted(before: WantedInstance | undefined, spec: InstanceSpec, now: Moment): WantedInstance {
  if (before && before.spec.epoch > spec.epoch) return before;
  const deadline = spec.remaining_s === null ? null : now.bootS + spec.remaining_s;
  const same = before?.spec.epoch === spec.epoch;
  return { spec, deadline_boot_s: deadline, ran: same ? before.ran : false, fault: same ? before.fault : null };
}

/**
 * A machine that was enrolled anew on another market belongs to that one once it runs nothing of the old one any more;
 * until then the old market alone may say what goes.
 */
export function forCluster(doc: DesiredDoc, clusterId: string, now: Moment): DesiredDoc {
  const idle = Object.keys(doc.instances).length === 0 && Object.keys(doc.absent).length === 0;
  return doc.cluster_id !== clusterId && idle ? emptyDoc(clusterId, now) : doc;
}

/**
 * After a reboot deadlines on the old boot clock mean nothing, and no container has survived: what had run is over, what had not
 * is begun anew once the server has spoken.
 */
export function afterReboot(doc: DesiredDoc, now: Moment): DesiredDoc {
  if (doc.boot_id === now.bootId) return doc;
  const instances = Object.fromEntries(
    Object.entries(doc.instances).map(([id, one]) => [id, { ...one, deadline_boot_s: null, fault: one.fault ?? (one.ran ? REBOOTED : null) }]),
  );
  return { ...doc, boot_id: now.bootId, instances, last_contact_boot_s: now.bootS };
}

const REBOOTED: InstanceFault = { code: 'host_rebooted', message: 'The machine was restarted.' };
