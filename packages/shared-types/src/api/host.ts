import { z } from 'zod';
import { Timestamp, UsdString, Uuid } from '../units.js';
import { operation } from './operation.js';

const nodeParams = z.object({ node_id: Uuid });
const Day = z.iso.date();

/** A time in which a node takes nothing new because its host works on it. What runs on it is told and goes on. */
export const MaintenanceView = z
  .object({ node_id: Uuid, from: Timestamp, until: Timestamp, reason: z.string(), state: z.enum(['planned', 'now', 'over', 'cancelled']) })
  .meta({ id: 'Maintenance' });
export type MaintenanceView = z.infer<typeof MaintenanceView>;

/** What one node earned on one day (UTC), by the moment it was settled. */
export const EarningsDay = z.object({ day: Day, node_id: Uuid, rentals_usd: UsdString, jobs_usd: UsdString, total_usd: UsdString }).meta({ id: 'EarningsDay' });
export type EarningsDay = z.infer<typeof EarningsDay>;

/** One hour of a node: which part of it was rented (its GPUs, or its vCPUs without any), and which part it was down. */
export const UtilisationHour = z.object({ at: Timestamp, rented: z.number().min(0).max(1), down: z.number().min(0).max(1) });
export const NodeUtilisation = z.object({ node_id: Uuid, hours: z.array(UtilisationHour) }).meta({ id: 'NodeUtilisation' });
export type NodeUtilisation = z.infer<typeof NodeUtilisation>;

export const hostOperations = {
  planMaintenance: operation({
    method: 'POST', path: '/api/v1/nodes/{node_id}/maintenance', tag: 'fleet', summary: 'Plan maintenance: nothing new in that time, renters are told, then it is listed again',
    auth: { kind: 'user', scope: 'host' }, owner: 'node', params: nodeParams,
    body: z.object({ from: Timestamp.optional(), until: Timestamp, reason: z.string().max(500).default('') }).strict(),
    status: 201, response: MaintenanceView, problems: ['not_found', 'action_not_allowed'],
  }),
  listMaintenance: operation({
    method: 'GET', path: '/api/v1/nodes/{node_id}/maintenance', tag: 'fleet', summary: 'Maintenance of this node, planned and past, newest first',
    auth: { kind: 'user', scope: 'read' }, owner: 'node', params: nodeParams,
    status: 200, response: z.object({ items: z.array(MaintenanceView) }), problems: ['not_found'],
  }),
  cancelMaintenance: operation({
    method: 'DELETE', path: '/api/v1/nodes/{node_id}/maintenance', tag: 'fleet', summary: 'Call off what is planned, or end it now',
    auth: { kind: 'user', scope: 'host' }, owner: 'node', params: nodeParams,
    status: 200, response: z.object({ cancelled: z.boolean() }), problems: ['not_found'],
  }),
  listEarnings: operation({
    method: 'GET', path: '/api/v1/earnings', tag: 'fleet', summary: 'What the nodes of this account earned, per day and node',
    auth: { kind: 'user', scope: 'read' }, owner: 'self',
    query: z.object({ days: z.coerce.number().int().min(1).max(400).default(30), node_id: Uuid.optional() }),
    status: 200, response: z.object({ from: Day, to: Day, total_usd: UsdString, days: z.array(EarningsDay) }), problems: [],
  }),
  listUtilisation: operation({
    method: 'GET', path: '/api/v1/utilisation', tag: 'fleet', summary: 'The last 24 hours of every node of this account',
    auth: { kind: 'user', scope: 'read' }, owner: 'self',
    status: 200, response: z.object({ as_of: Timestamp, items: z.array(NodeUtilisation) }), problems: [],
  }),
} as const;
