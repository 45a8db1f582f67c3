import { z } from 'zod';
import { RentalEndReason, RentalPhase, RentalStatus } from '../enums.js';
import { PullProgress } from '../events/agent.js';
import { Timestamp, UsdString, Uuid } from '../units.js';
import { OfferId, PricePart } from './offer.js';

export const RentalAction = z.enum(['stop', 'start', 'destroy', 'ssh', 'logs']);
export type RentalAction = z.infer<typeof RentalAction>;

/** How to get in. `known_hosts` is the one line that lets `StrictHostKeyChecking=yes` succeed. */
export const ConnectionInfo = z
  .object({
    host: z.string(),
    /** Container port → public port. */
    ports: z.record(z.string(), z.number().int()),
    ssh: z.object({ user: z.string(), port: z.number().int(), command: z.string(), known_hosts: z.string() }).nullable(),
    jupyter: z.object({ port: z.number().int(), url: z.string(), token: z.string() }).nullable(),
  })
  .meta({ id: 'ConnectionInfo' });
export type ConnectionInfo = z.infer<typeof ConnectionInfo>;

/** The line it is on: cost(t) = settled_usd + floor(rate × covered seconds since billed_through); the rate is `dph_total` while it runs, `stopped_dph` while `stored_since` is set. */
export const Billing = z
  .object({
    dph_total: UsdString,
    parts: z.array(PricePart),
    /** $ per hour while it is stopped: its disk alone. */
    stopped_dph: UsdString,
    settled_usd: UsdString,
    /** At `dph_total`. */
    billed_seconds: z.number().int(),
    /** At `stopped_dph`. */
    stored_seconds: z.number().int(),
    /** Since when it is billed for its disk only; null while it runs. */
    stored_since: Timestamp.nullable(),
    billed_through: Timestamp.nullable(),
    /** Settled plus what has been used since; computed for this answer. */
    cost_usd: UsdString,
    max_spend_usd: UsdString.nullable(),
    run_until: Timestamp.nullable(),
    /** When the market will end it, and why; of a stopped one, when its disk is deleted. */
    deadline_at: Timestamp.nullable(),
    deadline_by: z.enum(['balance', 'spend_limit', 'run_until']).nullable(),
  })
  .meta({ id: 'Billing' });

export const Fault = z.object({ code: z.string(), message: z.string() });

export const RentalView = z
  .object({
    id: Uuid,
    node_id: Uuid,
    node_name: z.string(),
    offer_id: OfferId,
    template: z.string(),
    image: z.string(),
    status: RentalStatus,
    phase: RentalPhase.nullable(),
    progress: PullProgress.nullable(),
    /** Milliseconds per finished phase of its last start, `total` from rent (or start) to running. */
    phase_ms: z.record(z.string(), z.number()),
    num_gpus: z.number().int(),
    gpu_name: z.string().nullable(),
    cpu_cores: z.number().int(),
    ram_mb: z.number().int(),
    disk_gb: z.number().int(),
    created_at: Timestamp,
    start_time: Timestamp.nullable(),
    end_time: Timestamp.nullable(),
    end_reason: RentalEndReason.nullable(),
    /** Why it failed, ended, or was stopped without being told to, in words for a person; null when all is well. */
    fault: Fault.nullable(),
    connection: ConnectionInfo.nullable(),
    billing: Billing,
    /** The capacity is free again: the node has reported the container gone. */
    released: z.boolean(),
    actions: z.array(RentalAction),
    warnings: z.array(z.string()),
  })
  .meta({ id: 'Rental' });
export type RentalView = z.infer<typeof RentalView>;

export const RentalEventView = z
  .object({ at: Timestamp, kind: z.string(), message: z.string() })
  .meta({ id: 'RentalEvent' });

export const TemplateView = z
  .object({
    slug: z.string(),
    title: z.string(),
    image: z.string(),
    ports: z.array(z.number().int()),
    ssh: z.boolean(),
    jupyter_port: z.number().int().nullable(),
    ready_port: z.number().int().nullable().default(null),
    /** Made by the caller's own account, who may change it; else it is the market's. */
    own: z.boolean().default(false),
    /** What else it is made of. */
    env: z.record(z.string(), z.string()).default({}),
    command: z.array(z.string()).default([]),
    onstart: z.string().default(''),
  })
  .meta({ id: 'Template' });
export type TemplateView = z.infer<typeof TemplateView>;
