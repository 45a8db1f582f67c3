import type { InstanceUpdate, RentalEndReason } from '@muster/shared-types';
import type { DeadlineBy } from '../ledger/zero-at.rules.js';

/** Why something went wrong: a code for programs, words for people. */
export interface Fault {
  code: string;
  message: string;
}

const WORDS: Record<RentalEndReason, string> = {
  destroyed: 'Destroyed by its renter.',
  balance_exhausted: 'The balance reached zero.',
  run_until: 'The time it was rented for is over.',
  spend_limit: 'The spend limit is reached.',
  host_retired: 'The host took the machine off the market.',
  host_shutdown: 'The host shut the machine down.',
  account_suspended: 'An operator of the market suspended the account.',
  host_fault: 'The machine had a fault. Nothing was charged from then on.',
  host_lost: 'The machine has been silent for too long. Its silence was not charged.',
  instance_exited: 'The program in the container ended.',
  disk_overrun: 'The container filled the disk of the machine outside /workspace.',
  disk_lost: 'The machine no longer has its disk.',
  start_failed: 'It could not be started. Nothing was charged.',
};

export const endWords = (reason: RentalEndReason): string => WORDS[reason];

/** Which end a deadline is. */
export const reasonOfDeadline = (by: DeadlineBy): RentalEndReason => (by === 'balance' ? 'balance_exhausted' : by);

type InstanceFault = NonNullable<InstanceUpdate['fault']>;

const FAULT_WORDS: Record<InstanceFault['code'], string> = {
  image_pull_failed: 'The image could not be downloaded.',
  image_too_large: 'The image does not fit on the machine.',
  exited_at_once: 'The container ended as soon as it was started.',
  exited: 'The program in the container ended.',
  out_of_memory: 'The container used more memory than it has.',
  port_not_answering: 'Nothing answered on the port that the template promises.',
  disk_full: 'The disk of the machine is full.',
  root_disk_overrun: 'The container filled the disk of the machine outside /workspace.',
  disk_lost: 'The machine no longer has its disk.',
  engine_down: 'The container engine of the machine did not answer.',
  gpu_unavailable: 'A GPU of the machine is not available.',
  tunnel_failed: 'The tunnel to the machine could not be opened.',
  bad_spec: 'The machine cannot run this template.',
  deadline: 'The time paid for is over.',
  host_rebooted: 'The machine was restarted.',
  lease_ended: 'The machine was cut off from the market for too long.',
  internal: 'Something went wrong on the machine.',
};

/** Control characters of an untrusted machine have no place in an answer. */
const readable = (text: string): string => text.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ').trim().slice(0, 500);

/** The agent's fault in words for a person; its own words where it has some. */
export function faultOf(fault: InstanceFault | undefined, otherwise: InstanceFault['code']): Fault {
  const code = fault?.code ?? otherwise;
  const own = readable(fault?.message ?? '');
  return { code, message: own === '' ? FAULT_WORDS[code] : own };
}

/** How a rental ends that ran and whose instance stopped by itself. */
export function reasonOfFault(code: string): RentalEndReason {
  if (code === 'root_disk_overrun' || code === 'disk_full') return 'disk_overrun';
  return 'instance_exited';
}

/** Ends of an instance that were its machine's doing alone: the rental is stopped, its disk kept, and may be started again. */
export const isOnlyStopped = (code: string): boolean => code === 'lease_ended' || code === 'host_rebooted';

/** Failures of a start that say nothing about the machine: the image or the template is to blame. */
const RENTERS_OWN = new Set(['image_pull_failed', 'image_too_large', 'exited_at_once', 'exited', 'out_of_memory', 'bad_spec']);
export const countsAgainstHost = (code: string): boolean => !RENTERS_OWN.has(code);
