import { RentalEndReason, type NotificationKind, type NotificationView } from '@muster/shared-types';

export interface Draft {
  userId: string;
  kind: NotificationKind;
  title: string;
  message: string;
  subject: NotificationView['subject'];
}

export interface RentalFacts {
  id: string;
  renterId: string;
  hostId: string;
  nodeName: string;
  offer: string;
  endReason: string | null;
  faultMessage: string | null;
}

const about = (kind: 'rental' | 'node' | 'job' | 'account', id: string): NotificationView['subject'] => ({ kind, id });

/** How the end of a rental reads for the person who rented. */
const END_WORDS: Partial<Record<RentalEndReason, string>> = {
  destroyed: 'You ended it. Its disk is deleted.',
  balance_exhausted: 'Your balance reached zero. Its disk is deleted.',
  run_until: 'The time you rented it for is over. Its disk is deleted.',
  spend_limit: 'It reached your spend limit. Its disk is deleted.',
  host_retired: 'The host took the machine off the market. You paid for the seconds it ran.',
  host_shutdown: 'The host shut the machine down. You paid for the seconds it ran.',
  account_suspended: 'An operator of the market suspended the account of its renter or host.',
  host_fault: 'The machine had a fault. Nothing was charged from then on.',
  host_lost: 'The machine was silent for too long. Its silence was not charged.',
  instance_exited: 'The program in the container ended.',
  disk_overrun: 'The container filled the disk of the machine outside /workspace.',
  disk_lost: 'The machine no longer has its disk.',
  start_failed: 'It could not be started. Nothing was charged.',
};

export function rentalRunning({ id, renterId, hostId, nodeName, offer }: RentalFacts): Draft[] {
  const renter: Draft = { userId: renterId, kind: 'rental_running', title: `Your rental on ${nodeName} runs`, message: `${offer} is ready. Billing began with this second.`, subject: about('rental', id) };
  const host: Draft = { userId: hostId, kind: 'hosted_began', title: `${nodeName} is rented`, message: `${offer} earns from now on.`, subject: about('rental', id) };
  return renterId === hostId ? [renter] : [renter, host];
}

/** A rental that never ran says nothing to its host. */
export function rentalEnded(facts: RentalFacts, ran: boolean): Draft[] {
  const { id, renterId, hostId, nodeName, offer, endReason, faultMessage } = facts;
  const reason = RentalEndReason.safeParse(endReason);
  const words = (reason.success && END_WORDS[reason.data]) || 'You paid for the seconds it ran.';
  const own = faultMessage && !words.includes(faultMessage) ? ` ${faultMessage}` : '';
  if (!ran) return [{ userId: renterId, kind: 'rental_failed', title: `Your rental on ${nodeName} could not be started`, message: `Nothing was charged.${own}`, subject: about('rental', id) }];
  const renter: Draft = { userId: renterId, kind: 'rental_ended', title: `Your rental on ${nodeName} has ended`, message: `${words}${own}`, subject: about('rental', id) };
  const host: Draft = { userId: hostId, kind: 'hosted_ended', title: `A rental on ${nodeName} has ended`, message: `${offer} is free again when the machine has cleaned up.`, subject: about('rental', id) };
  return renterId === hostId ? [renter] : [renter, host];
}

export const rentalStopped = ({ id, renterId, nodeName, faultMessage }: RentalFacts): Draft[] => [
  { userId: renterId, kind: 'rental_stopped', title: `Your rental on ${nodeName} is stopped`, message: `${faultMessage ? `${faultMessage} ` : ''}Its disk is kept and billed; its GPUs are free for others.`, subject: about('rental', id) },
];

export const balanceLow = (userId: string, minutes: number): Draft[] => [
  { userId, kind: 'balance_low', title: `Your balance lasts ${minutes} more ${minutes === 1 ? 'minute' : 'minutes'}`, message: 'At zero every rental ends and its disk is deleted. Add credit or end what you do not need.', subject: about('account', userId) },
];

export const paymentReceived = (userId: string, amountUsd: string): Draft[] => [
  { userId, kind: 'payment_received', title: `$${trimmed(amountUsd)} was added to your balance`, message: 'It is yours to spend at once.', subject: about('account', userId) },
];

export interface NodeFacts {
  id: string;
  ownerId: string;
  name: string;
}

export const nodeOnline = ({ id, ownerId, name }: NodeFacts): Draft[] => [{ userId: ownerId, kind: 'node_online', title: `${name} is online`, message: 'Its agent is connected.', subject: about('node', id) }];

export const nodeOffline = ({ id, ownerId, name }: NodeFacts, announced: boolean): Draft[] => [
  {
    userId: ownerId, kind: 'node_offline', title: `${name} is offline`, subject: about('node', id),
    message: announced ? 'Its agent said goodbye. Nothing is held against it.' : 'Nothing was heard of it for two minutes. See whether the machine and its network are up; the time counts against its reliability.',
  },
];

export const nodeQuarantined = ({ id, ownerId, name }: NodeFacts, reason: string): Draft[] => [
  { userId: ownerId, kind: 'node_quarantined', title: `${name} was taken out of the market`, message: `${reason} What runs on it goes on; nothing new is placed.`, subject: about('node', id) },
];

export const nodeReleased = ({ id, ownerId, name }: NodeFacts): Draft[] => [
  { userId: ownerId, kind: 'node_released', title: `${name} may come back`, message: 'It is checked again and is on the market when it passes.', subject: about('node', id) },
];

/** What its own heartbeats showed of a machine, and what its owner can do. */
export function nodeFinding({ id, ownerId, name }: NodeFacts, { state, severity, message, remediation }: { state: string; severity: string; message: string; remediation: string }): Draft[] {
  const subject = about('node', id);
  if (state === 'closed') return [{ userId: ownerId, kind: 'node_recovered', title: `${name}: over`, message, subject }];
  const title = severity === 'warn' ? `${name} needs a look` : `${name} was taken off the market`;
  return [{ userId: ownerId, kind: 'node_finding', title, message: `${message} ${remediation}`.trim(), subject }];
}

/** To everybody who has something on the machine. */
export const maintenancePlanned = (node: NodeFacts, renters: readonly { userId: string; rentalId: string }[], plan: { from: string; until: string; reason: string }): Draft[] =>
  renters.map(({ userId, rentalId }) => ({
    userId, kind: 'maintenance_planned', title: `Maintenance of ${node.name} is planned`, subject: about('rental', rentalId),
    message: `From ${minute(plan.from)} to ${minute(plan.until)}.${plan.reason ? ` ${plan.reason}` : ''} Your rental goes on, but the machine may be restarted: copy off what you cannot lose.`,
  }));

export const maintenanceCancelled = (node: NodeFacts, renters: readonly { userId: string; rentalId: string }[]): Draft[] =>
  renters.map(({ userId, rentalId }) => ({ userId, kind: 'maintenance_cancelled', title: `Maintenance of ${node.name} is called off`, message: 'Nothing changes for your rental.', subject: about('rental', rentalId) }));

export function jobOver(job: { id: string; submitterId: string; name: string; errorMessage: string | null }, status: string): Draft[] {
  const subject = about('job', job.id);
  if (status === 'completed') return [{ userId: job.submitterId, kind: 'job_completed', title: `${job.name} is done`, message: 'Enough machines agreed on its result.', subject }];
  if (status === 'failed') return [{ userId: job.submitterId, kind: 'job_failed', title: `${job.name} failed`, message: job.errorMessage ?? 'What was not used was refunded.', subject }];
  return [];
}

const minute = (at: string): string => `${at.slice(0, 16).replace('T', ' ')} UTC`;
/** `12.340000` → `12.34`; never fewer than two places. */
const trimmed = (usd: string): string => usd.replace(/(\.\d{2}\d*?)0+$/, '$1');
