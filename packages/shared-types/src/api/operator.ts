import { z } from 'zod';
import { JobStatus, NodeStatus, RentalStatus } from '../enums.js';
import { Account } from '../entities/account.js';
import { NodeSummary } from '../entities/node.js';
import { Timestamp, UsdString, Uuid } from '../units.js';
import { operation, pageOf, pageQuery } from './operation.js';

const auth = { kind: 'operator' } as const;
const search = { ...pageQuery, q: z.string().max(200).optional() };

export const OperatorUser = Account.extend({
  /** Since when nothing of this account is let in; null for everybody else. */
  suspended_at: Timestamp.nullable(),
  balance_usd: UsdString,
  nodes: z.number().int(),
  live_rentals: z.number().int(),
  open_jobs: z.number().int(),
}).meta({ id: 'OperatorUser' });
export type OperatorUser = z.infer<typeof OperatorUser>;

export const OperatorNode = NodeSummary.extend({ owner_id: Uuid, owner_email: z.string(), live_rentals: z.number().int() }).meta({ id: 'OperatorNode' });
export type OperatorNode = z.infer<typeof OperatorNode>;

export const OperatorRental = z
  .object({
    id: Uuid, status: RentalStatus, renter_id: Uuid, renter_email: z.string(), node_id: Uuid, node_name: z.string(), host_id: Uuid, offer_id: z.string(), template: z.string(),
    dph_total: UsdString, settled_usd: UsdString, created_at: Timestamp, start_time: Timestamp.nullable(), end_time: Timestamp.nullable(), end_reason: z.string().nullable(),
    /** Of an ended one: its capacity is free again. */
    released: z.boolean(),
  })
  .meta({ id: 'OperatorRental' });
export type OperatorRental = z.infer<typeof OperatorRental>;

export const OperatorJob = z
  .object({
    id: Uuid, name: z.string(), status: JobStatus, submitted_by: Uuid, submitter_email: z.string(), submitted_at: Timestamp, completed_at: Timestamp.nullable(),
    tasks_total: z.number().int(), tasks_final: z.number().int(), tasks_failed: z.number().int(), error_message: z.string().nullable(),
  })
  .meta({ id: 'OperatorJob' });
export type OperatorJob = z.infer<typeof OperatorJob>;

/** One row of the audit trail. `payload` never carries a secret. */
export const OperatorEvent = z
  .object({ id: z.string(), at: Timestamp, name: z.string(), aggregate_id: Uuid, actor_id: Uuid.nullable(), actor_email: z.string().nullable(), delivered: z.boolean(), payload: z.record(z.string(), z.unknown()) })
  .meta({ id: 'OperatorEvent' });
export type OperatorEvent = z.infer<typeof OperatorEvent>;

export const SystemHealth = z
  .object({
    version: z.string(),
    uptime_s: z.number(),
    as_of: Timestamp,
    dependencies: z.record(z.string(), z.object({ ok: z.boolean(), ms: z.number(), detail: z.string() })),
    /** Loops that one replica runs at a time, and whether their lease is alive. */
    loops: z.array(z.object({ name: z.string(), holder: z.string(), alive: z.boolean() })),
    /** Events that were not delivered yet, and how long the oldest has waited. */
    outbox: z.object({ waiting: z.number().int(), oldest_s: z.number() }),
    /** Nodes whose offers wait to be made anew. */
    offers: z.object({ total: z.number().int(), stale: z.number().int() }),
    database_bytes: z.number(),
    outages: z.array(z.object({ from: Timestamp, to: Timestamp, cause: z.string() })),
    memory: z.object({ rss_bytes: z.number(), heap_bytes: z.number() }),
  })
  .meta({ id: 'SystemHealth' });
export type SystemHealth = z.infer<typeof SystemHealth>;

const userParams = z.object({ user_id: Uuid });
const nodeParams = z.object({ node_id: Uuid });
const Reason = z.object({ reason: z.string().min(1).max(500) }).strict();

export const operatorOperations = {
  listUsers: operation({
    method: 'GET', path: '/api/v1/admin/users', tag: 'admin', summary: 'Accounts, newest first; `q` is a part of the e-mail or an id',
    auth, owner: 'none', query: z.object({ ...search, state: z.enum(['all', 'suspended', 'operators']).default('all') }),
    status: 200, response: pageOf(OperatorUser), problems: ['forbidden'],
  }),
  suspendUser: operation({
    method: 'POST', path: '/api/v1/admin/users/{user_id}/suspend', tag: 'admin', summary: 'Let nothing of this account in: sessions and keys are refused at once, its rentals, jobs and what runs on its nodes end',
    auth, owner: 'none', params: userParams, body: Reason,
    status: 200, response: OperatorUser.extend({ ended_rentals: z.number().int(), cancelled_jobs: z.number().int() }).meta({ id: 'SuspendedUser' }), problems: ['forbidden', 'not_found', 'action_not_allowed'],
  }),
  unsuspendUser: operation({
    method: 'POST', path: '/api/v1/admin/users/{user_id}/unsuspend', tag: 'admin', summary: 'Let the account in again; keys work as before, sessions are opened anew',
    auth, owner: 'none', params: userParams,
    status: 200, response: OperatorUser, problems: ['forbidden', 'not_found'],
  }),
  listAllNodes: operation({
    method: 'GET', path: '/api/v1/admin/nodes', tag: 'admin', summary: 'Every node, newest first; `q` is a part of its name, an owner’s e-mail or an id',
    auth, owner: 'none', query: z.object({ ...search, status: NodeStatus.optional() }),
    status: 200, response: pageOf(OperatorNode), problems: ['forbidden'],
  }),
  quarantineNode: operation({
    method: 'POST', path: '/api/v1/admin/nodes/{node_id}/quarantine', tag: 'admin', summary: 'Take a node out of the market until an operator releases it; what runs goes on',
    auth, owner: 'none', params: nodeParams, body: Reason,
    status: 200, response: OperatorNode, problems: ['forbidden', 'not_found', 'action_not_allowed'],
  }),
  releaseNode: operation({
    method: 'POST', path: '/api/v1/admin/nodes/{node_id}/release', tag: 'admin', summary: 'Let a quarantined node be checked again; it is back when it passes',
    auth, owner: 'none', params: nodeParams,
    status: 200, response: OperatorNode, problems: ['forbidden', 'not_found', 'action_not_allowed'],
  }),
  listAllRentals: operation({
    method: 'GET', path: '/api/v1/admin/rentals', tag: 'admin', summary: 'Every rental, newest first; `q` is a renter’s e-mail or an id of rental, node or account',
    auth, owner: 'none', query: z.object({ ...search, state: z.enum(['live', 'all']).default('all') }),
    status: 200, response: pageOf(OperatorRental), problems: ['forbidden'],
  }),
  listAllJobs: operation({
    method: 'GET', path: '/api/v1/admin/jobs', tag: 'admin', summary: 'Every job, newest first; `q` is a part of its name, a submitter’s e-mail or an id',
    auth, owner: 'none', query: z.object({ ...search, status: JobStatus.optional() }),
    status: 200, response: pageOf(OperatorJob), problems: ['forbidden'],
  }),
  listEvents: operation({
    method: 'GET', path: '/api/v1/admin/events', tag: 'admin', summary: 'The audit trail, newest first',
    auth, owner: 'none', query: z.object({ ...pageQuery, name: z.string().max(100).optional(), about: Uuid.optional(), actor: Uuid.optional() }),
    status: 200, response: pageOf(OperatorEvent), problems: ['forbidden'],
  }),
  systemHealth: operation({
    method: 'GET', path: '/api/v1/admin/health', tag: 'admin', summary: 'How the parts of this market are',
    auth, owner: 'none', status: 200, response: SystemHealth, problems: ['forbidden'],
  }),
} as const;
