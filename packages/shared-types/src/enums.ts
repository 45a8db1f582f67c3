import { z } from 'zod';

/** What an account is for. `isOperator` is a separate flag on the user, not a role. */
export const Role = z.enum(['RENT', 'LEASE', 'BOTH']);
export type Role = z.infer<typeof Role>;

/** The one derived word for a node: the most severe of lifecycle, presence and listing, else `busy` or `online`. */
export const NodeStatus = z.enum([
  'online',
  'busy',
  'maintenance',
  'offline',
  'unreachable',
  'draining',
  'quarantined',
  'retired',
]);
export type NodeStatus = z.infer<typeof NodeStatus>;

export const NodeLifecycle = z.enum(['registered', 'pending_verification', 'verified', 'quarantined', 'retired']);
export type NodeLifecycle = z.infer<typeof NodeLifecycle>;

export const NodePresence = z.enum(['online', 'unreachable', 'offline']);
export type NodePresence = z.infer<typeof NodePresence>;

export const NodeListing = z.enum(['unlisted', 'listed', 'draining', 'maintenance']);
export type NodeListing = z.infer<typeof NodeListing>;

export const NodeTier = z.enum(['cpu', 'gpu-consumer', 'gpu-datacenter']);
export type NodeTier = z.infer<typeof NodeTier>;

export const RentalStatus = z.enum([
  'pending',
  'starting',
  'running',
  'stopping',
  'ended',
  'stopped',
  'failed',
  'lost',
]);
export type RentalStatus = z.infer<typeof RentalStatus>;

/** Where a `starting` rental is. `probing` is the backend's own handshake through the public port. */
export const RentalPhase = z.enum(['queued', 'pulling', 'creating', 'tunnelling', 'probing']);
export type RentalPhase = z.infer<typeof RentalPhase>;

/** Why a rental ended, as stored, billed and shown. */
export const RentalEndReason = z.enum([
  'destroyed',
  'balance_exhausted',
  'run_until',
  'spend_limit',
  'host_retired',
  'host_shutdown',
  'host_lost',
  'host_fault',
  'account_suspended',
  'instance_exited',
  'disk_overrun',
  'disk_lost',
  'start_failed',
]);
export type RentalEndReason = z.infer<typeof RentalEndReason>;

export const TransactionType = z.enum(['CREDIT', 'DEBIT']);
export type TransactionType = z.infer<typeof TransactionType>;

export const AccountKind = z.enum(['prepaid', 'earnings', 'payments_in', 'platform_fee', 'escrow']);
export type AccountKind = z.infer<typeof AccountKind>;

export const TransferState = z.enum(['pending', 'posted', 'voided']);
export type TransferState = z.infer<typeof TransferState>;

export const ApiKeyScope = z.enum(['read', 'rent', 'host', 'account']);
export type ApiKeyScope = z.infer<typeof ApiKeyScope>;

/** Derived from a job's tasks. */
export const JobStatus = z.enum(['pending', 'scheduled', 'running', 'verifying', 'completed', 'failed', 'cancelled']);
export type JobStatus = z.infer<typeof JobStatus>;
/** The words of other task marketplaces for the same states. */
export const JOB_STATUS_WORDS = {
  pending: 'Created',
  scheduled: 'Scheduled',
  running: 'InProgress',
  verifying: 'InProgress',
  completed: 'Done',
  failed: 'Failed',
  cancelled: 'Failed',
} as const satisfies Record<JobStatus, string>;

/** `open`: no report yet. `quorum_pending`: reports, no agreement yet. `disputed`: no agreement among the first copies; more are made. */
export const TaskStatus = z.enum(['open', 'quorum_pending', 'disputed', 'final', 'failed', 'cancelled']);
export type TaskStatus = z.infer<typeof TaskStatus>;

export const ExecutionStatus = z.enum(['ready', 'leased', 'running', 'reported', 'expired', 'errored', 'unneeded']);
export type ExecutionStatus = z.infer<typeof ExecutionStatus>;

/** `late_valid`: agreed with a result that was final already; paid like `valid`. */
export const ExecutionVerdict = z.enum(['none', 'valid', 'invalid', 'late_valid']);
export type ExecutionVerdict = z.infer<typeof ExecutionVerdict>;

/** What the copies of one task must not share. `owner` is the stricter. */
export const DistinctBy = z.enum(['owner', 'node']);
export type DistinctBy = z.infer<typeof DistinctBy>;

/** How a node takes part: an agent on a socket, or a program that only speaks HTTP (jobs only, never rentals). */
export const NodeTransport = z.enum(['socket', 'http']);
export type NodeTransport = z.infer<typeof NodeTransport>;
